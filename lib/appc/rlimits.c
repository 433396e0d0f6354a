/* The value of carob/rlimits: {"nofile": [soft, hard], "core": 0, "memlock": "unlimited"}. */
#include <sys/resource.h>

#include "appc/document.h"

static const struct {
	const char *word;
	int resource;
} rlimit_words[] = {
	{ "as", RLIMIT_AS },
	{ "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },
	{ "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC },
	{ "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },
	{ "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

int appc_rlimit_resource(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(rlimit_words); i++)
		if (str_eq(word, rlimit_words[i].word))
			return rlimit_words[i].resource;
	return -1;
}

static const char *rlimit_word(int resource)
{
	for (size_t i = 0; i < ARRAY_SIZE(rlimit_words); i++)
		if (resource == rlimit_words[i].resource)
			return rlimit_words[i].word;
	return NULL;
}

static bool parse_rlimit(const json_t *value, uint64_t *ret)
{
	if (json_is_integer(value) && json_integer_value(value) >= 0)
		*ret = (uint64_t)json_integer_value(value);
	else if (json_is_string(value) && str_eq(json_string_value(value), "unlimited"))
		*ret = UINT64_MAX;
	else
		return false;
	return true;
}

static void read_rlimit(struct json_reader *r, const char *word, const json_t *value,
			struct appc_rlimit *limit)
{
	bool ok;

	limit->resource = appc_rlimit_resource(word);
	if (limit->resource < 0)
		json_fault(r, "%s is no resource of setrlimit(2), such as nofile", word);
	if (json_is_array(value))
		ok = json_array_size(value) == 2 &&
		     parse_rlimit(json_array_get(value, 0), &limit->soft) &&
		     parse_rlimit(json_array_get(value, 1), &limit->hard);
	else
		ok = parse_rlimit(value, &limit->soft) && parse_rlimit(value, &limit->hard);
	if (!ok)
		json_fault(
			r,
			"must be a number, \"unlimited\", or a list of two of them: [soft, hard]");
	else if (limit->soft > limit->hard)
		json_fault(r, "the soft limit is above the hard one");
}

void appc_read_rlimits(struct json_reader *r, json_t *value, void *member, const void *arg _unused_)
{
	struct appc_isolator *iso = member;
	const char *word;
	json_t *limit;

	iso->rlimits = calloc(json_object_size(value) + 1, sizeof(*iso->rlimits));
	if (!iso->rlimits) {
		json_no_memory(r);
		return;
	}
	json_object_foreach(value, word, limit) {
		struct json_place place;

		json_enter_key(r, &place, word);
		read_rlimit(r, word, limit, &iso->rlimits[iso->n_rlimits++]);
		json_leave(r);
	}
}

static json_t *rlimit_value(uint64_t limit)
{
	return limit > INT64_MAX ? json_string("unlimited") : json_integer((json_int_t)limit);
}

json_t *appc_write_rlimits(const struct appc_isolator *iso)
{
	json_t *value = json_object();
	int r = 0;

	for (size_t i = 0; i < iso->n_rlimits; i++) {
		const char *word = rlimit_word(iso->rlimits[i].resource);
		json_t *pair = json_array();

		r |= json_array_append_new(pair, rlimit_value(iso->rlimits[i].soft));
		r |= json_array_append_new(pair, rlimit_value(iso->rlimits[i].hard));
		r |= json_object_set_new(value, word ? word : "", pair);
	}
	return appc_written(value, r);
}
