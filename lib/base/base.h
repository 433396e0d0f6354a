#pragma once
/* lib/base: what every other part stands on. Needs the C library and, for json.h, jansson; for
 * yaml.h, libyaml. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/copy.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "base/uuid.h"
#include "base/yaml.h"
