/* A program of the usual kind: newlib start-up, printf, malloc, sorting, mathematics, interrupts. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern uint32_t __stack[];
void reset(void);

static volatile uint32_t ticks, calls;

void supervisor(void) { calls += 1; }
void pended(void) { calls += 100; }

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    [0] = __stack, [1] = (void *)reset, [11] = (void *)supervisor, [14] = (void *)pended,
};

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static float workload(float *w, float *y, int n) {
    for (int i = 0; i < n; i++)
        for (int o = 0; o < n; o++)
            y[o] += w[i] * (float)(i + 2 * o) - 0.25f * y[i];
    float sum = 0;
    for (int o = 0; o < n; o++)
        sum += y[o] > 0 ? y[o] : 0.1f * y[o];
    return sum;
}

static uint32_t checksum(const void *data, size_t size) {
    uint32_t crc = ~0u;
    for (const uint8_t *p = data; size--; p++) {
        crc ^= *p;
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (0xEDB88320u & -(crc & 1));
    }
    return ~crc;
}

int main(void) {
    volatile uint32_t *control = (uint32_t *)0xE000E010, *reload = (uint32_t *)0xE000E014, *value = (uint32_t *)0xE000E018;
    enum { N = 32 };
    float *w = malloc(N * sizeof *w), *y = calloc(N, sizeof *y);
    for (int i = 0; i < N; i++)
        w[i] = sinf((float)i) + expf(-(float)i / 7);
    *reload = 0xFFFFFF;
    *value = 0;
    *control = 5;
    uint32_t before = *value;
    float sum = workload(w, y, N);
    uint32_t after = *value;
    ticks = (before - after) & 0xFFFFFF;
    static int32_t sorted[100];
    uint32_t state = 1;
    for (int i = 0; i < 100; i++)
        sorted[i] = (int32_t)(state = state * 1664525u + 1013904223u) / 7;
    qsort(sorted, 100, sizeof *sorted, ascending);
    uint64_t wide = (uint64_t)state * 123456789u / 987u;
    __asm__ volatile("svc #3" ::: "memory");
    *(volatile uint32_t *)0xE000ED04 = 1u << 28;
    __asm__ volatile("dsb\n isb" ::: "memory");
    uint32_t crc = checksum(sorted, sizeof sorted) ^ checksum(y, N * sizeof *y);
    printf("sum %.6f crc %08lx wide %lu calls %lu pow %.9f\n", (double)sum, (unsigned long)crc, (unsigned long)wide,
           (unsigned long)calls, pow(1.0 + sum * 1e-6, 12.5));
    printf("ticks %lu\n", (unsigned long)ticks);
    char line[16];
    snprintf(line, sizeof line, "%05d|%-4s|%x", sorted[3] % 1000, "ab", 0xbeef);
    puts(line);
    return 0;
}
