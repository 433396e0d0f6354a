# shellcheck shell=bash
carob() {
	command carob "$@"
}
state=unused
