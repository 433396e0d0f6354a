/* EXPECT(no `#pragma once`) */
#ifndef ERROR_H /* EXPECT(a guard) */
#define ERROR_H
#endif
