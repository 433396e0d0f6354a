#pragma once
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
