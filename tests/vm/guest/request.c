/* The request: its length in decimal and a newline, then that many bytes of strings. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

/* The kernel takes no longer argument list than 2 MiB, a command line of the host's neither. */
#define REQUEST_SIZE_MAX (4u << 20)

static void read_exactly(int port, char *buffer, size_t size)
{
	while (size > 0) {
		ssize_t n = read(port, buffer, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			guest_fail("request: read");
		buffer += n;
		size -= (size_t)n;
	}
}

static size_t read_size(int port)
{
	char digits[16];
	char *end;
	unsigned long size;
	size_t n = 0;

	do {
		if (n == sizeof(digits))
			guest_fail("request: no length");
		read_exactly(port, &digits[n], 1);
	} while (digits[n++] != '\n');

	errno = 0;
	size = strtoul(digits, &end, 10);
	if (errno != 0 || *end != '\n' || size == 0 || size > REQUEST_SIZE_MAX)
		guest_fail("request: bad length");
	return size;
}

void request_read(struct request *request, int port)
{
	request->size = read_size(port);
	request->data = malloc(request->size);
	if (request->data == NULL)
		guest_fail("request: memory");
	read_exactly(port, request->data, request->size);
	if (request->data[request->size - 1] != '\0')
		guest_fail("request: cut off");
}

char *request_next(const struct request *request, const char *key, char *previous)
{
	char *end = request->data + request->size;
	char *entry = previous == NULL ? request->data : previous + strlen(previous) + 1;
	size_t key_size = strlen(key);

	for (; entry < end; entry += strlen(entry) + 1) {
		if (strncmp(entry, key, key_size) == 0 && entry[key_size] == '=')
			return entry + key_size + 1;
	}
	return NULL;
}

char *request_get(const struct request *request, const char *key)
{
	return request_next(request, key, NULL);
}
