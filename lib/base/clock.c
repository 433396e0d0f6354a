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

/* Year, month and day of a day counted from 1970-01-01, by the proleptic Gregorian calendar. The C
 * library's gmtime_r() would read the host's time zone first. */
static void civil_from_days(int64_t days, int *year, int *month, int *day)
{
	int64_t shifted = days + 719468; /* days since 0000-03-01: leap days come last in a year */
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t of_era = shifted - era * 146097;
	int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t from_march = (5 * of_year + 2) / 153;

	*day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
	*month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
	*year = (int)(year_of_era + era * 400 + (*month <= 2));
}

/* The other way round. */
static int64_t days_from_civil(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year -
	       719468;
}

void time_format(char dst[TIME_TEXT], int64_t realtime_ns)
{
	const int64_t day_ns = 86400LL * 1000000000;
	int64_t days = realtime_ns / day_ns, rest = realtime_ns % day_ns;
	int year, month, day;
	unsigned seconds;

	if (rest < 0) {
		rest += day_ns;
		days--;
	}
	civil_from_days(days, &year, &month, &day);
	seconds = (unsigned)(rest / 1000000000);
	snprintf(dst, TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ", (unsigned)year % 10000,
		 (unsigned)month % 100, (unsigned)day % 100, seconds / 3600 % 100,
		 seconds / 60 % 60, seconds % 60, (unsigned)(rest % 1000000000));
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

/* 64 bits of nanoseconds reach from 1677 to 2262. */
static int to_ns(int64_t seconds, int64_t nano, int64_t *ret)
{
	int64_t value;

	/* towards zero, so that the earliest moment does not overflow on the way */
	if (seconds < 0) {
		seconds++;
		nano -= 1000000000;
	}
	if (__builtin_mul_overflow(seconds, 1000000000, &value) ||
	    __builtin_add_overflow(value, nano, &value))
		return -EINVAL;
	*ret = value;
	return 0;
}

int time_parse(const char *s, int64_t *ret_ns)
{
	int64_t nano = 0, unit = 100000000;
	int year, month, day, hour, minute, second, offset;
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
	hour = digits(&s, 2, 0, 23);
	if (hour < 0 || *s++ != ':')
		return -EINVAL;
	minute = digits(&s, 2, 0, 59);
	if (minute < 0 || *s++ != ':')
		return -EINVAL;
	second = digits(&s, 2, 0, 59);
	if (second < 0)
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
	return to_ns(days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 +
			     second - offset,
		     nano, ret_ns);
}
