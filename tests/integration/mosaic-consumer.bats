#!/usr/bin/env bats
# libmosaic as others have it: found by pkg-config, used from outside the tree, with nothing in it but
# what its header says, and all of that in its manual.

load helpers

setup_file() {
	PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name mosaic.pc)")
	LIBRARY=$(find "$prefix" -name 'libmosaic.so.1')
	export PKG_CONFIG_PATH LIBRARY
	census >"$BATS_FILE_TMPDIR/census"
}

teardown_file() {
	diff "$BATS_FILE_TMPDIR/census" <(census)
}

# The functions that the installed header declares, one a line.
declared() {
	# shellcheck disable=SC2046 # several flags
	cc -E -P $(pkg-config --cflags mosaic) - <<<'#include <mosaic/mosaic.h>' |
		sed '/^static inline/,/^}/d' | grep -oE '\bmosaic_[a-z_]+ *\(' | tr -d ' (' | sort -u
}

@test "the library has the functions of the header and nothing else" {
	declared >"$BATS_TEST_TMPDIR/declared"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/declared")" -ge 50 ]
	nm -D --defined-only "$LIBRARY" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$BATS_TEST_TMPDIR/defined"
	diff "$BATS_TEST_TMPDIR/declared" "$BATS_TEST_TMPDIR/defined"
	# each with the version that the script gives it
	run -0 nm -D --defined-only --with-symbol-versions "$LIBRARY"
	[ "$(grep -c '@@LIBMOSAIC_1$' <<<"$output")" = "$(wc -l <"$BATS_TEST_TMPDIR/declared")" ]
}

@test "the manual has every function of the header" {
	page=$(find "$prefix" -name libmosaic.3)
	markdown=$(find "$prefix" -name libmosaic.md)
	man -l --warnings --no-justification "$page" 2>"$BATS_TEST_TMPDIR/faults" >"$BATS_TEST_TMPDIR/page"
	[ ! -s "$BATS_TEST_TMPDIR/faults" ]
	grep -q '^NAME$' "$BATS_TEST_TMPDIR/page"
	grep -q '^SEE ALSO$' "$BATS_TEST_TMPDIR/page"
	for function in $(declared); do
		grep -qE "\\b$function\\(" "$BATS_TEST_TMPDIR/page" || { echo "$function: not in libmosaic(3)" && false; }
		grep -qE "\\b$function\\(" "$markdown" || { echo "$function: not in libmosaic.md" && false; }
	done
	# what struct error is too
	grep -q 'struct error {' "$BATS_TEST_TMPDIR/page"
	# nothing of what only the compiler reads
	run ! grep -E 'MUST_CHECK|__attribute__|pragma' "$BATS_TEST_TMPDIR/page"
}

@test "a program outside the tree is built with pkg-config alone, and works" {
	cd "$BATS_TEST_TMPDIR"
	cat >consumer.c <<-'CONSUMER'
		#include <mosaic/mosaic.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <string.h>
		#include <unistd.h>

		static int show(const struct mosaic_volume *v, void *arg)
		{
			(void)arg;
			printf("volume %s of %s\n", v->name, v->parent[0] ? v->parent : "nothing");
			return 0;
		}

		int main(int argc, char **argv)
		{
			struct mosaic *m = NULL;
			struct error err;
			char *value = NULL, text[1024];
			int r;

			memset(&err, 0, sizeof(err));
			r = mosaic_open(&m, argv[1], "plain", MOSAIC_OPEN_CREATE, &err);
			if (r == 0)
				r = mosaic_create(m, "first", NULL, &err);
			if (r == 0)
				r = mosaic_snapshot(m, "second", "first", &err);
			if (r == 0)
				r = mosaic_set_data(m, "first", "colour", "red", 3, &err);
			if (r == 0)
				r = mosaic_get_data(m, "first", "colour", &value, NULL, &err);
			if (r == 0)
				r = mosaic_each(m, show, NULL, &err);
			if (r == 0) {
				printf("type %s, colour %s\n", mosaic_type(m), value);
				r = mosaic_create(m, "first", NULL, &err);
			}
			mosaic_error_format(&err, text, sizeof(text));
			printf("%d: %s\n", r, text);
			free(value);
			mosaic_close(m);
			return argc == 2 ? 0 : 1;
		}
	CONSUMER
	# shellcheck disable=SC2046 # several flags
	cc -std=c99 -D_DEFAULT_SOURCE -pedantic -Wall -Wextra -Werror -o consumer consumer.c $(pkg-config --cflags --libs mosaic)
	run -0 ldd consumer
	[[ "$(LD_LIBRARY_PATH=$(dirname "$LIBRARY") ldd consumer)" == *libmosaic.so.1* ]]
	LD_LIBRARY_PATH=$(dirname "$LIBRARY") run -0 ./consumer "$BATS_TEST_TMPDIR/mosaic"
	[ "$(sort <<<"${lines[0]}"$'\n'"${lines[1]}")" = $'volume first of nothing\nvolume second of first' ]
	[ "${lines[2]}" = "type plain, colour red" ]
	[ "${lines[3]}" = "-17: there is a volume first already" ]
	[ -d mosaic/volumes/first/data ]
}

@test "the header can be read by a C++ compiler" {
	# shellcheck disable=SC2046 # several flags
	g++ -fsyntax-only -Wall -Wextra -Werror $(pkg-config --cflags mosaic) -x c++ - <<-'PLUS'
		#include <mosaic/mosaic.h>
		int main() { struct mosaic_staged staged = { "", -1, -1 }; return staged.lock_fd + 1; }
	PLUS
}

@test "installed headers include nothing that is not installed" {
	include=$(pkg-config --variable=includedir mosaic)/carob-mosaic
	run -0 find "$include" -type f -printf '%P\n'
	[ "$(sort <<<"$output")" = $'base/error_value.h\nmosaic/mosaic.h' ]
	mkdir "$BATS_TEST_TMPDIR/alone"
	cp -r "$include" "$BATS_TEST_TMPDIR/alone"
	cc -fsyntax-only -I"$BATS_TEST_TMPDIR/alone/carob-mosaic" -x c - <<<'#include <mosaic/mosaic.h>'
}
