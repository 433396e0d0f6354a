#if __GLIBC__ > 2
#endif
