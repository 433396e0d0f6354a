/* An image that is in the store already, looked at as if it came now. */
#include <fcntl.h>

#include "images/check.h"
#include "images/oci.h"

void images_verified_deinit(struct images_verified *v)
{
	free(v->name);
	trust_verdict_deinit(&v->verdict);
	*v = (struct images_verified){ 0 };
}

/* The whole uncompressed stream, as when it was imported. */
static int check_archive(const struct images *im, int archive, const char *id,
			 const struct images_progress *progress, struct error *err)
{
	_appc_faults_ struct appc_faults faults = APPC_FAULTS_INIT;
	_unpacked_ struct unpacked unpacked = { .faults = &faults };
	int r = lseek(archive, 0, SEEK_SET) < 0 ? -errno : 0;

	if (r < 0)
		return error_set(err, r, "cannot read the archive");
	r = images_unpack(im, archive, -1, &unpacked, progress, err);
	if (r < 0)
		return r;
	return str_eq(unpacked.id, id)
		       ? 0
		       : error_set(err, -EBADMSG, "the archive has changed: it is that of %.31s...",
				   unpacked.id);
}

/* An image of OCI has no archive: documents and layers are held against each other and the ID. */
static int check_layers(const struct images *im, const char *id, struct error *err)
{
	_cleanup_(oci_fault_deinit) struct oci_fault fault = { 0 };
	_free_ char *manifest = NULL;
	size_t len = 0;
	int r = store_manifest(im->store, id, &manifest, &len, err);

	if (r < 0)
		return r;
	r = check_oci(im, id, manifest, len, false, &fault);
	if (r < 0)
		return error_set(err, r, "cannot check the layers");
	return r == 1 ? 0 : error_set(err, -EBADMSG, "%s: %s.", fault.object, fault.what);
}

/* The name is that of the manifest, which is in the archive that the ID vouches for. */
static int read_name(const struct images *im, const char *id, char **ret, struct error *err)
{
	_store_info_ struct store_info info = { 0 };
	int r = store_info(im->store, id, &info, err);

	if (r == 0)
		*ret = take_ptr(&info.name);
	return r;
}

int images_verify(const struct images *im, const char *trust_dir, const char *id,
		  struct images_verified *ret, const struct images_progress *progress,
		  struct error *err)
{
	_cleanup_(images_verified_deinit) struct images_verified v = { 0 };
	_free_ char *signature = NULL;
	_close_ int archive = -1;
	struct trust_signed what;
	size_t len = 0;
	int r = read_name(im, id, &v.name, err);

	if (r == 0)
		r = store_read(im->store, id, "aci.asc", &signature, &len, err);
	if (r < 0)
		return r;
	if (oci_is_image(im, id))
		v.archive.code = check_layers(im, id, &v.archive);
	else
		archive = store_open_archive(im->store, id, &v.archive);
	if (archive >= 0)
		v.archive.code = check_archive(im, archive, id, progress, &v.archive);
	v.has_signature = signature;
	if (signature && archive < 0)
		v.signature.code = error_set(&v.signature, -ENOENT,
					     "there is no archive to check.");
	what = (struct trust_signed){ v.name, archive, signature, len };
	if (signature && archive >= 0)
		v.signature.code = trust_verify(trust_dir, &what, &v.verdict, &v.signature);
	*ret = v;
	v = (struct images_verified){ 0 };
	return 0;
}
