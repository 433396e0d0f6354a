/*
 * Secrets: read at the moment they are needed from files that only their owner can read, and never
 * part of an error.
 */
#include <fcntl.h>
#include <nettle/base64.h>
#include <sys/stat.h>

#include "images/transfer.h"

void secret_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static int check_private(const struct stat *st, const char *path, struct error *err)
{
	if (!S_ISREG(st->st_mode))
		return error_set(err, -EINVAL, "%s is no regular file.", path);
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return error_set(err, -EPERM,
				 "%s belongs to user %u, who could change it: chown it to root.",
				 path, st->st_uid);
	if (st->st_mode & 077)
		return error_set(err, -EPERM,
				 "%s has mode %04o: others may read or change it. chmod 0600 %s.",
				 path, st->st_mode & 07777, path);
	return 0;
}

int credentials_open_private(const char *path, struct error *err)
{
	_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, -errno, "cannot open %s", path);
	r = check_private(&st, path, err);
	return r < 0 ? r : take_fd(&fd);
}

static int read_private(char **ret, size_t *ret_len, const char *path, struct error *err)
{
	_close_ int fd = credentials_open_private(path, err);
	int r;

	if (fd < 0)
		return fd;
	r = file_read_fd(fd, LIMIT_CREDENTIALS_BYTES, ret, ret_len);
	if (r == -EFBIG)
		return error_set(err, r, "%s is longer than %d bytes (LIMIT_CREDENTIALS_BYTES).",
				 path, LIMIT_CREDENTIALS_BYTES);
	return r < 0 ? error_set(err, r, "cannot read %s", path) : 0;
}

/* One line, and nothing that could end a header. */
static bool is_one_line(char *text)
{
	size_t n = strcspn(text, "\r\n");
	size_t end = n + strspn(text + n, "\r\n");

	if (text[end])
		return false;
	text[n] = '\0';
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			return false;
	return true;
}

static char *basic_header(const char *user_password)
{
	static const char begin[] = "Authorization: Basic ";
	size_t len = strlen(user_password);
	size_t room = sizeof(begin) - 1 + BASE64_ENCODE_RAW_LENGTH(len);
	char *header = malloc(room + 1);

	if (!header)
		return NULL;
	memcpy(header, begin, sizeof(begin) - 1);
	base64_encode_raw(header + sizeof(begin) - 1, len, (const uint8_t *)user_password);
	header[room] = '\0';
	return header;
}

int credentials_header(char **ret, const char *path, struct error *err)
{
	_secret_ char *text = NULL;
	size_t len;
	int r = read_private(&text, &len, path, err);

	if (r < 0)
		return r;
	if (strlen(text) != len || !is_one_line(text))
		return error_set(err, -EBADMSG, "%s must have one line of text.", path);
	if (str_starts(text, "basic ") && strchr(text + 6, ':'))
		*ret = basic_header(text + 6);
	else if (str_starts(text, "bearer ") && text[7] && !strchr(text + 7, ' '))
		*ret = str_printf("Authorization: Bearer %s", text + 7);
	else
		return error_set(err, -EBADMSG,
				 "%s must say \"basic USER:PASSWORD\" or \"bearer TOKEN\".", path);
	return *ret ? 0 : error_set(err, -ENOMEM, "out of memory");
}

/* ---- for whom -------------------------------------------------------------------------------- */

static bool names_port(const char *host)
{
	const char *bracket = strrchr(host, ']');

	return strchr(bracket ? bracket : host, ':') != NULL;
}

/* The entry that the caller names in place of the host's own. */
static const struct net_host *entry_of(const struct net *n, const char *host_and_port)
{
	_free_ char *text = str_printf("https://%s/", host_and_port);
	struct net_url url;

	if (!text || net_url_parse(&url, text, NULL) < 0)
		return NULL;
	return net_host_of(n->config, &url);
}

int credentials_for(char **ret, const struct net *n, const struct transfer *t, const char *url,
		    struct error *err)
{
	const struct net_host *host;
	struct net_url first, now;
	bool is_first;
	int r = net_url_parse(&first, t->url, err);

	if (r == 0)
		r = net_url_parse(&now, url, err);
	if (r < 0)
		return r;
	is_first = str_eq(now.host, first.host) && now.port == first.port;
	if (t->bearer && is_first) {
		*ret = str_printf("Authorization: Bearer %s", t->bearer);
		return *ret ? 0 : error_set(err, -ENOMEM, "out of memory");
	}
	if (t->credentials_of && is_first) {
		host = entry_of(n, t->credentials_of);
		return host && host->credentials ? credentials_header(ret, host->credentials, err)
						 : 0;
	}
	host = net_host_of(n->config, &now);
	/* whom a redirect leads to at another port was not meant unless the port was */
	if (!host || !host->credentials ||
	    (!is_first && !names_port(host->host) && now.port != (now.https ? 443 : 80)))
		return 0;
	return credentials_header(ret, host->credentials, err);
}
