/* A call through the gate of 32-bit programs, which 64-bit ones can use too. */
#include <errno.h>

long i386_call(long number, long arg);

long i386_call(long number, long arg)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(arg), "c"(0), "d"(0), "S"(0), "D"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}
