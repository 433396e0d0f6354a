#pragma once
/* What a failed call tells: the value alone, because libmosaic's users see it too. How it is made
 * and shown is base/error.h's matter. */

struct error {
	int code;         /* negative errno; 0 while nothing is wrong */
	char step[32];    /* what was being done: "unpack", "cgroup"; may be empty */
	char object[160]; /* what it was done to: pod, app, file, field; may be empty */
	char text[768];   /* the sentence, with the remedy where there is one */
};
