#ifdef __GLIBC__ /* EXPECT(#ifdef __GLIBC__: put what differs) */
#else
#endif
  #  if 0 /* EXPECT(#if 0) */
#elif 1 /* EXPECT */
#endif
#ifndef A /* EXPECT */
#define A 1
#endif
