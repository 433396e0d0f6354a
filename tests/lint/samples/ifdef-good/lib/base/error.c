/*
#if 0
*/
#include "error.h"
#define IF if
