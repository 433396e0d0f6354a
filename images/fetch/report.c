#include "images/fetch/report.h"

#include <sys/syscall.h>

void report_text(enum fetch_kind kind, uint64_t value, const char *text, size_t len)
{
	char message[sizeof(struct fetch_record) + FETCH_TEXT_BYTES];
	struct fetch_record record = { .kind = kind, .value = value };

	record.text_len = (uint32_t)(len < FETCH_TEXT_BYTES ? len : FETCH_TEXT_BYTES);
	memcpy(message, &record, sizeof(record));
	if (record.text_len > 0)
		memcpy(message + sizeof(record), text, record.text_len);
	/* what libraries do at the end of a program is not on the list of calls */
	if (write_all(FETCH_REPORT_FD, message, sizeof(record) + record.text_len) < 0)
		syscall(SYS_exit_group, EXIT_FAILURE);
}

void report_value(enum fetch_kind kind, uint64_t value)
{
	report_text(kind, value, NULL, 0);
}
