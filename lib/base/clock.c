#include "base/clock.h"

#include <stdbool.h>
#include <time.h>

static int64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t time_now_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

int64_t time_boot_ns(void)
{
	return now_ns(CLOCK_BOOTTIME);
}

void time_format(char dst[TIME_TEXT], int64_t realtime_ns)
{
	int64_t seconds = realtime_ns / 1000000000, nano = realtime_ns % 1000000000;
	time_t t = (time_t)(nano < 0 ? seconds - 1 : seconds);
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(dst, TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", ((unsigned)tm.tm_year + 1900) % 10000,
		 ((unsigned)tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
		 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100,
		 (unsigned)(nano < 0 ? nano + 1000000000 : nano));
}

/* Exactly n digits at *s as a number in range; moves *s on. -1 when they are not. */
static int digits(const char **s, unsigned n, int low, int high)
{
	int value = 0;

	for (unsigned i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return -1;
		value = value * 10 + (**s - '0');
	}
	return value < low || value > high ? -1 : value;
}

static int days_of(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* "Z" or "+hh:mm": the offset in seconds; -1 and *ok = false when it is neither. */
static int zone(const char **s, bool *ok)
{
	int sign, hours, minutes;

	*ok = true;
	if (**s == 'Z') {
		(*s)++;
		return 0;
	}
	sign = **s == '+' ? 1 : **s == '-' ? -1 : 0;
	if (sign) {
		(*s)++;
		hours = digits(s, 2, 0, 23);
		if (hours >= 0 && *(*s)++ == ':') {
			minutes = digits(s, 2, 0, 59);
			if (minutes >= 0)
				return sign * (hours * 3600 + minutes * 60);
		}
	}
	*ok = false;
	return -1;
}

int time_parse(const char *s, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	int64_t nano = 0, unit = 100000000;
	int year, month, day, offset;
	bool ok;

	year = digits(&s, 4, 0, 9999);
	if (year < 0 || *s++ != '-')
		return -EINVAL;
	month = digits(&s, 2, 1, 12);
	if (month < 0 || *s++ != '-')
		return -EINVAL;
	day = digits(&s, 2, 1, days_of(year, month));
	if (day < 0 || *s++ != 'T')
		return -EINVAL;
	tm.tm_hour = digits(&s, 2, 0, 23);
	if (tm.tm_hour < 0 || *s++ != ':')
		return -EINVAL;
	tm.tm_min = digits(&s, 2, 0, 59);
	if (tm.tm_min < 0 || *s++ != ':')
		return -EINVAL;
	tm.tm_sec = digits(&s, 2, 0, 59);
	if (tm.tm_sec < 0)
		return -EINVAL;
	if (*s == '.') {
		if (s[1] < '0' || s[1] > '9')
			return -EINVAL;
		for (s++; *s >= '0' && *s <= '9'; s++, unit /= 10)
			nano += (*s - '0') * unit;
	}
	offset = zone(&s, &ok);
	if (!ok || *s)
		return -EINVAL;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	*ret_ns = ((int64_t)timegm(&tm) - offset) * 1000000000 + nano;
	return 0;
}
