/* Notes: what a person should know about a pod that runs: isolators ignored, things cut short. */
#include "stage1/stage1.h"

int supervisor_note(struct supervisor *s, const char *fmt, ...)
{
	char **more = realloc(s->notes, (s->n_notes + 1) * sizeof(*more)), *note;
	va_list ap;
	int n;

	if (!more)
		return -ENOMEM;
	s->notes = more;
	va_start(ap, fmt);
	n = vasprintf(&note, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -ENOMEM;
	s->notes[s->n_notes++] = note;
	return 0;
}

bool supervisor_ignores(const struct supervisor *s, const char *isolator)
{
	for (size_t i = 0; i < s->pod.launch.n_ignored_isolators; i++)
		if (str_eq(s->pod.launch.ignored_isolators[i], isolator))
			return true;
	return false;
}
