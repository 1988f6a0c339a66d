/* Shifts the wall clock of a program by the seconds that stand in the file $AIRLOCK_TEST_SHIFT. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
	int result = syscall(SYS_clock_gettime, clock, now);
	const char *path = getenv("AIRLOCK_TEST_SHIFT");
	if (result == 0 && clock == CLOCK_REALTIME && path) {
		FILE *file = fopen(path, "r");
		long shift = 0;
		if (file) {
			if (fscanf(file, "%ld", &shift) == 1) now->tv_sec += shift;
			fclose(file);
		}
	}
	return result;
}
