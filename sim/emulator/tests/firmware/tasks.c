/* Two tasks that a timer switches, as small operating systems do it: SVC starts the first, SysTick pends
   PendSV, PendSV changes the process stack, each task keeps floating-point registers of its own. Then what
   drivers use: exclusive accesses, unaligned words, bit-banding, special registers, sleep. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define REG(a) (*(volatile uint32_t *)(a))
#define STACK 2048

/* Return to a thread with the process stack, without floating-point state. */
#define EXC_RETURN 0xfffffffdu

extern uint32_t __stack;
void reset(void);

static uint32_t stacks[2][STACK] __attribute__((aligned(8)));
uint32_t *saved[2];
volatile uint32_t current, ticks, done, stop;
static volatile uint32_t work[2];
static volatile float sums[2];

static void trap(void) {
    printf("fault\n");
    exit(3);
}

__attribute__((naked)) void svc_handler(void) {
    __asm volatile(
        "ldr r1, =saved\nldr r0, [r1]\n"
        "ldmia r0!, {r4-r11, lr}\n"
        "msr psp, r0\nisb\nmov r0, #0\nmsr basepri, r0\nbx lr\n");
}

void choose(void) {
    current ^= 1;
    if (stop) done = 1;
}

__attribute__((naked)) void pendsv_handler(void) {
    __asm volatile(
        "mrs r0, psp\nisb\n"
#ifdef __ARM_FP
        "tst lr, #0x10\nit eq\nvstmdbeq r0!, {s16-s31}\n"
#endif
        "stmdb r0!, {r4-r11, lr}\n"
        "ldr r1, =saved\nldr r2, =current\nldr r3, [r2]\nstr r0, [r1, r3, lsl #2]\n"
        "mov r0, #0x40\nmsr basepri, r0\ndsb\nisb\n"
        "push {r1, r2}\nbl choose\npop {r1, r2}\n"
        "mov r0, #0\nmsr basepri, r0\n"
        "ldr r3, [r2]\nldr r0, [r1, r3, lsl #2]\n"
        "ldmia r0!, {r4-r11, lr}\n"
#ifdef __ARM_FP
        "tst lr, #0x10\nit eq\nvldmiaeq r0!, {s16-s31}\n"
#endif
        "msr psp, r0\nisb\nbx lr\n");
}

static void systick_handler(void) {
    ticks++;
    REG(0xe000ed04) = 1 << 28;
}

static void task(void *argument) {
    uint32_t me = (uint32_t)argument;
    float x = 1.0f + me;
    while (!stop) {
        /* The value goes wrong where a switch loses floating-point state. */
        x = x * 0.5f + (1.0f + me) * 0.5f;
        sums[me] = x;
        work[me]++;
        if (work[0] > 2000 && work[1] > 2000 && ticks > 10) stop = 1;
    }
    if (me == 0) {
        REG(0xe000e010) = 0;
        /* In whole numbers: the heap lies above this stack, so that sbrk refuses what %f would need. */
        printf("sums %d %d, both worked %d\n", (int)(sums[0] * 1000), (int)(sums[1] * 1000), work[0] > 2000 && work[1] > 2000);
        uint32_t control, psp, ipsr;
        __asm volatile("mrs %0, control\nmrs %1, psp\nmrs %2, ipsr" : "=r"(control), "=r"(psp), "=r"(ipsr));
        printf("psp in use %lu, in its stack %d, ipsr %lu\n", (unsigned long)(control >> 1 & 1),
               psp - (uint32_t)stacks[0] < sizeof stacks[0], (unsigned long)ipsr);
        uint32_t word = 5, failed;
        do __asm volatile("ldrex r1, [%1]\nadd r1, #1\nstrex %0, r1, [%1]" : "=&r"(failed) : "r"(&word) : "r1", "memory");
        while (failed);
        static uint8_t bytes[16] = {1, 2, 3, 4, 5, 6, 7, 8};
        volatile uint32_t *odd = (uint32_t *)(bytes + 1);
        *odd += 0x01010101;
        printf("exclusive %lu, unaligned %08lx\n", (unsigned long)word, (unsigned long)*odd);
        REG(0xe000ed14) |= 1 << 4;
        printf("priorities %02lx\n", (unsigned long)(REG(0xe000ed20) >> 24 & 0xf0));
        REG(0xe000e014) = 1000;
        REG(0xe000e018) = 0;
        uint32_t before = ticks;
        REG(0xe000e010) = 7;
        __asm volatile("wfi");
        REG(0xe000e010) = 0;
        printf("slept %d\n", ticks - before >= 1);
        __asm volatile("sev\nwfe");
        exit(0);
    }
    for (;;) {}
}

static uint32_t *prepare(uint32_t me) {
    uint32_t *sp = stacks[me] + STACK;
    *--sp = 1u << 24;
    *--sp = (uint32_t)task & ~1u;
    *--sp = (uint32_t)trap;
    for (int i = 0; i < 4; i++) *--sp = 0;
    *--sp = me;
    *--sp = EXC_RETURN;
    for (int i = 0; i < 8; i++) *--sp = 0;
    return sp;
}

int main(void) {
    saved[0] = prepare(0);
    saved[1] = prepare(1);
    REG(0xe000ed20) = 0xffff0000;
    REG(0xe000e014) = 4999;
    REG(0xe000e018) = 0;
    REG(0xe000e010) = 7;
    __asm volatile("cpsie i\ncpsie f\ndsb\nisb\nsvc 0");
    return 1;
}

__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
    &__stack, (void *)reset, (void *)trap, (void *)trap, (void *)trap, (void *)trap, (void *)trap, 0, 0, 0, 0,
    (void *)svc_handler, 0, 0, (void *)pendsv_handler, (void *)systick_handler,
};
