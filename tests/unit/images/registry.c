#include "registry.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct registry_double *registry_double;

int registry_setup(void **state)
{
	struct bench *b;

	if (bench_setup(state) < 0)
		return -1;
	b = *state;
	registry_double = mmap(NULL, sizeof(*registry_double), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(registry_double != MAP_FAILED);
	assert_int_equal(mkdirat(b->dirfd, "layout", 0755), 0);
	registry_double->dir = openat(b->dirfd, "layout", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(registry_double->dir >= 0);
	registry_double->all_immutable = true;
	put(registry_double->dir, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	return 0;
}

int registry_teardown(void **state)
{
	close(registry_double->dir);
	munmap(registry_double, sizeof(*registry_double));
	return bench_teardown(state);
}

static void blob_path(char dst[160], const char *digest)
{
	snprintf(dst, 160, "blobs/%s", digest);
	*strchr(dst, ':') = '/';
}

void registry_blob(struct oci_descriptor *ret, const void *data, size_t len)
{
	_close_ int dir = path_make_dirs(registry_double->dir, "blobs/sha256");
	char path[160];

	*ret = (struct oci_descriptor){ .size = len };
	oci_digest_of(data, len, ret->digest);
	blob_path(path, ret->digest);
	assert_int_equal(file_write(registry_double->dir, path, data, len, 0644, 0), 0);
}

/* ---- the double ------------------------------------------------------------------------------ */

void __wrap_transfer_result_deinit(struct transfer_result *r)
{
	free(r->url);
	free(r->content_type);
	free(r->validator);
	free(r->authenticate);
	free(r->digest);
	free(r->body);
}

static void refuse(struct transfer_result *ret)
{
	registry_double->unauthorized++;
	ret->status = 401;
	ret->authenticate = strdup(
		registry_double->challenge
			? registry_double->challenge
			: "Bearer realm=\"https://auth.example.com/token\",service=\"a "
			  "b\",scope=\"repository:other:push\"");
}

static int serve_token(const struct transfer *t, struct transfer_result *ret)
{
	registry_double->tokens++;
	assert_null(t->bearer);
	assert_non_null(strstr(t->url, "?service=a%20b&scope=repository%3Ateam%2Fapp%3Apull"));
	snprintf(registry_double->credentials_of, sizeof(registry_double->credentials_of), "%s",
		 t->credentials_of ? t->credentials_of : "");
	ret->status = 200;
	ret->body = strdup("{\"token\":\"\",\"access_token\":\"T0K3N\",\"expires_in\":60}");
	ret->body_len = strlen(ret->body);
	return 0;
}

static int serve_blob(const char *digest, const char *media_type, struct transfer_result *ret)
{
	char path[160];

	blob_path(path, digest);
	if (file_read(registry_double->dir, path, 1 << 24, &ret->body, &ret->body_len) < 0) {
		ret->status = 404;
		return 0;
	}
	if (str_eq(digest, registry_double->broken))
		ret->body[ret->body_len - 1] ^= 1;
	ret->status = 200;
	ret->content_type = strdup(media_type);
	return 0;
}

static int serve_path(const char *path, const struct transfer *t, struct transfer_result *ret)
{
	if (registry_double->wants_token && (!t->bearer || !str_eq(t->bearer, "T0K3N"))) {
		refuse(ret);
		return 0;
	}
	if (str_starts(path, "blobs/")) {
		registry_double->blobs++;
		return serve_blob(path + strlen("blobs/"), "application/octet-stream", ret);
	}
	assert_true(str_starts(path, "manifests/"));
	assert_true(str_eq(t->headers[0], "Accept: application/vnd.oci.image.manifest.v1+json"));
	registry_double->manifests++;
	path += strlen("manifests/");
	if (str_eq(path, "1.2"))
		path = registry_double->tag;
	if (registry_double->sent_digest)
		ret->digest = strdup(registry_double->sent_digest);
	return oci_is_digest(path) ? serve_blob(path, registry_double->media_type, ret)
				   : (ret->status = 404, 0);
}

/* Nobody has a token for it, and it wants none. */
static int serve_mirror(const char *path, const struct transfer *t, struct transfer_result *ret)
{
	bool is_blob = str_starts(path, "blobs/");
	bool is_layer = is_blob && registry_double->blobs > 0; /* the first is the configuration */
	int r = 0;

	assert_null(t->bearer);
	registry_double->at_mirror++;
	if (registry_double->mirror_is_empty || (is_layer && registry_double->mirror_has_no_layers))
		ret->status = 404;
	else
		r = serve_path(path, t, ret);
	if (r == 0 && ret->status == 200 &&
	    ((is_blob && registry_double->mirror_lies) ||
	     (is_layer && registry_double->mirror_lies_about_layers)))
		ret->body[0] ^= 1;
	return r;
}

static int serve(const struct transfer *t, struct transfer_result *ret, struct error *err)
{
	static const char base[] = "https://" REGISTRY "/v2/team/app/";
	static const char mirror[] = "https://" MIRROR "/v2/team/app/";
	static const char plain[] = "http://" REGISTRY "/v2/team/app/";
	const char *path;

	if (str_starts(t->url, "https://auth.example.com/token"))
		return serve_token(t, ret);
	if (str_starts(t->url, "https://nowhere."))
		return error_set(err, -EHOSTUNREACH, "nobody there");
	if (str_starts(t->url, mirror))
		return serve_mirror(t->url + strlen(mirror), t, ret);
	if (registry_double->only_http && !str_starts(t->url, plain))
		return error_set(err, -ECONNREFUSED, "nobody there");
	ret->over_http = registry_double->only_http;
	path = t->url + strlen(registry_double->only_http ? plain : base);
	return serve_path(path, t, ret);
}

int __wrap_transfer_get(const struct net *n _unused_, const struct transfer *t,
			struct transfer_result *ret, struct error *err)
{
	int r;

	*ret = (struct transfer_result){ 0 };
	r = serve(t, ret, err);
	assert_true(r < 0 || ret->body_len <= t->max_bytes);
	return r;
}

int __wrap_transfer_file(const struct net *n _unused_, const struct transfer *t,
			 struct store_partial *partial, struct transfer_result *ret,
			 const struct images_progress *progress, struct error *err)
{
	off_t at = lseek(partial->data, 0, SEEK_END);
	int r;

	*ret = (struct transfer_result){ 0 };
	registry_double->all_immutable = registry_double->all_immutable && t->immutable;
	if ((uint64_t)at == t->max_bytes) {
		ret->status = 200;
		return 0;
	}
	r = serve(t, ret, err);
	if (r < 0 || ret->status != 200)
		return r;
	if (registry_double->cut) {
		registry_double->cut = false;
		(void)!pwrite(partial->data, ret->body, ret->body_len / 2, 0);
		return error_set(err, -ECONNRESET, "cut");
	}
	assert_true(pwrite(partial->data, ret->body + at, ret->body_len - (size_t)at, at) >= 0);
	progress->report(progress->arg, t->what, ret->body_len, ret->body_len);
	return 0;
}
