#include "cli/cli.h"

const char cli_program[] = "moctl";
