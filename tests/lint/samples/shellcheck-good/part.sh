# shellcheck shell=sh
# Read by script, which has set $state.
used_by_script=$state/x
