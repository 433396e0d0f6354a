#include "cli/completion.h"

#include <string.h>

#include "cli/verbs.h"

enum { SCRIPT_BYTES = 1 << 20 };

int completion_each(int (*fn)(struct buf *b, const struct cli_verb *verb, const char *words,
			      const char *label),
		    struct buf *b)
{
	int r = 0;

	for (const struct cli_verb *const *group = cli_verbs; r == 0 && *group; group++) {
		r = fn(b, *group, (*group)->name, (*group)->name);
		for (const struct cli_verb *const *v = (*group)->verbs; r == 0 && v && *v; v++) {
			char words[64], label[64];

			snprintf(words, sizeof(words), "%s %s", (*group)->name, (*v)->name);
			snprintf(label, sizeof(label), "%s_%s", (*group)->name, (*v)->name);
			r = fn(b, *v, words, label);
		}
	}
	return r;
}

int completion_quote(struct buf *b, const char *text, const char *also)
{
	int r = 0;

	for (; r == 0 && *text; text++) {
		if (*text == '\'')
			r = buf_add(b, "'\\''", 4);
		else if (strchr(also, *text))
			r = buf_addf(b, "\\%c", *text);
		else
			r = buf_add(b, text, 1);
	}
	return r;
}

int completion_choices(struct buf *b, const char *argument)
{
	int r = 0;

	for (; r == 0 && *argument; argument++)
		r = buf_add(b, *argument == '|' ? " " : argument, 1);
	return r;
}

static int completion_run(_unused_ const struct cli *cli, struct cli_args *args, struct error *err)
{
	static const struct {
		const char *shell;
		int (*write)(struct buf *b);
	} shells[] = { { "bash", completion_bash },
		       { "zsh", completion_zsh },
		       { "fish", completion_fish } };
	static const struct cli_option none[] = { { NULL } };
	struct cli_set set = { none, NULL };
	_buf_ struct buf b = BUF_INIT(SCRIPT_BYTES);
	int r = cli_parse(&set, 1, args, err);

	if (r == 0)
		r = cli_want_operands(args, 1, 1, err);
	if (r != 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (str_eq(shells[i].shell, args->argv[0])) {
			r = shells[i].write(&b);
			return r < 0 ? error_set(err, r, "cannot write the script")
				     : cli_put(b.data, b.len, err);
		}
	error_set(err, -EINVAL, "%s is none of bash, zsh, fish.", args->argv[0]);
	return CLI_USAGE;
}

const struct cli_verb verb_completion = {
	.name = "completion",
	.operands = "bash|zsh|fish",
	.summary = "Print the script that completes command lines of carob in a shell",
	.complete = CLI_COMPLETE_SHELL,
	.run = completion_run,
};
