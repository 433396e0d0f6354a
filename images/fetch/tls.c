#include "images/fetch/tls.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include "images/fetch/fetch.h"

/* A file from its beginning, or a pipe to its end. */
static int read_pem(int fd, struct pem *ret, const char *what, struct error *err)
{
	_free_ char *data = NULL;
	ssize_t n;

	if (fcntl(fd, F_GETFD) < 0)
		return 0;
	(void)lseek(fd, 0, SEEK_SET);
	data = malloc(LIMIT_PEM_BYTES + 1);
	if (!data)
		return error_set(err, -ENOMEM, "out of memory");
	n = read_all(fd, data, LIMIT_PEM_BYTES + 1);
	if (n < 0)
		return error_set(err, (int)n, "cannot read %s", what);
	if (n > LIMIT_PEM_BYTES)
		return error_set(err, -EFBIG, "%s has more bytes than LIMIT_PEM_BYTES (%d).", what,
				 LIMIT_PEM_BYTES);
	if (n == 0)
		return error_set(err, -EBADMSG, "%s is empty.", what);
	ret->len = (size_t)n;
	ret->data = take_ptr(&data);
	close(fd);
	return 0;
}

int tls_read(struct tls *ret, struct error *err)
{
	int r = read_pem(FETCH_CA_FD, &ret->ca, "the file of CAs", err);

	if (r == 0)
		r = read_pem(FETCH_CERTIFICATE_FD, &ret->certificate, "our certificate", err);
	if (r == 0)
		r = read_pem(FETCH_KEY_FD, &ret->key, "the key of our certificate", err);
	if (r == 0 && !ret->certificate.data != !ret->key.data)
		r = error_set(err, -EINVAL, "our certificate and its key only go together.");
	return r;
}

int tls_read_system(struct tls *t, struct error *err)
{
	/* Debian and its kin, Fedora and its kin, SUSE, Alpine */
	static const char *const places[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/ssl/cert.pem",
	};

	for (size_t i = 0; i < ARRAY_SIZE(places) && !t->ca.data; i++) {
		_close_ int fd = open(places[i], O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		if (fd < 0)
			continue;
		if (file_read_fd(fd, LIMIT_PEM_BYTES, &t->ca.data, &t->ca.len) < 0)
			continue;
	}
	if (!t->ca.data)
		return error_set(err, -ENOENT,
				 "this host has no list of CAs (%s): install ca-certificates, or "
				 "set `ca` for the host in carob.yaml.",
				 places[0]);
	return 0;
}

static CURLcode set_blob(CURL *curl, CURLoption option, const struct pem *pem)
{
	struct curl_blob blob = { .data = pem->data, .len = pem->len, .flags = CURL_BLOB_NOCOPY };

	return pem->data ? curl_easy_setopt(curl, option, &blob) : CURLE_OK;
}

/* Sees the alert by which the other side ends TLS. */
static void on_event(const SSL *ssl, int where, int code)
{
	SSL_CTX *context = SSL_get_SSL_CTX(ssl);
	struct tls *t = SSL_CTX_get_app_data(context);

	if (where & SSL_CB_READ && where & SSL_CB_ALERT && (code & 0xff) == SSL_AD_CLOSE_NOTIFY &&
	    t->context == context)
		t->has_ended = true;
}

/* libcurl takes the end of a connection for the end of what was sent over TLS. Anybody on the way
 * can make the one, and where a body has no length it would be whole then. The last context is that
 * of the server; one for a proxy comes before it. */
static CURLcode on_context(_unused_ CURL *curl, void *context, void *arg)
{
	struct tls *t = arg;

	SSL_CTX_clear_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_app_data(context, t);
	SSL_CTX_set_info_callback(context, on_event);
	t->context = context;
	t->has_ended = false;
	return CURLE_OK;
}

CURLcode tls_apply(struct tls *t, CURL *curl)
{
	static const struct {
		CURLoption option;
		long value;
	} numbers[] = {
		{ CURLOPT_SSL_VERIFYPEER, 1 },
		{ CURLOPT_SSL_VERIFYHOST, 2 },
		{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
		{ CURLOPT_PROXY_SSL_VERIFYPEER, 1 },
		{ CURLOPT_PROXY_SSL_VERIFYHOST, 2 },
		{ CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
	};
	/* libcurl was built with places to look at besides */
	static const CURLoption places[] = {
		CURLOPT_CAINFO,
		CURLOPT_CAPATH,
		CURLOPT_PROXY_CAINFO,
		CURLOPT_PROXY_CAPATH,
	};
	CURLcode code = CURLE_OK;

	for (size_t i = 0; i < ARRAY_SIZE(numbers) && code == CURLE_OK; i++)
		code = curl_easy_setopt(curl, numbers[i].option, numbers[i].value);
	for (size_t i = 0; i < ARRAY_SIZE(places) && code == CURLE_OK; i++)
		code = curl_easy_setopt(curl, places[i], NULL);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_context);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, t);
	if (code == CURLE_OK)
		code = set_blob(curl, CURLOPT_CAINFO_BLOB, &t->ca);
	if (code == CURLE_OK)
		code = set_blob(curl, CURLOPT_PROXY_CAINFO_BLOB, &t->ca);
	if (code == CURLE_OK)
		code = set_blob(curl, CURLOPT_SSLCERT_BLOB, &t->certificate);
	if (code == CURLE_OK)
		code = set_blob(curl, CURLOPT_SSLKEY_BLOB, &t->key);
	/* or a key with a passphrase would make OpenSSL ask a terminal */
	return code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_KEYPASSWD, "") : code;
}

void tls_deinit(struct tls *t)
{
	free(t->ca.data);
	free(t->certificate.data);
	if (t->key.data)
		OPENSSL_cleanse(t->key.data, t->key.len);
	free(t->key.data);
}
