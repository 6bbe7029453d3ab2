/* Start-up as the package of a vendor has it: clocks by way of ready bits with time-outs in ticks, another place
   for the vector table, instruction and bus fault handlers, then work, and a loop that waits for a serial line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REG(a) (*(volatile uint32_t *)(a))
#define RCC 0x40023800u
#define FLASH_ACR 0x40023c00u
#define PWR 0x40007000u
#define UART 0x40011000u

extern uint32_t __stack;
void reset(void);
int main(void);
volatile uint32_t ticks, faulted, address;
uint32_t result, room[8];

static void wait_for_ever(void) {
    for (;;) {}
}

static void systick_handler(void) { ticks++; }

/* Steps over the faulting instruction, which is a 16-bit one. */
__attribute__((naked)) static void bus_fault_handler(void) {
    __asm volatile(
        "ldr r0, =0xe000ed38\nldr r0, [r0]\nldr r1, =address\nstr r0, [r1]\n"
        "ldr r1, =faulted\nldr r0, [r1]\nadd r0, #1\nstr r0, [r1]\n"
        "ldr r0, [sp, #24]\nadd r0, #2\nstr r0, [sp, #24]\nbx lr\n");
}

static const void *const vectors[16] __attribute__((section(".vectors"), used, aligned(512))) = {
    &__stack, (void *)reset, (void *)wait_for_ever, (void *)bus_fault_handler, 0, (void *)bus_fault_handler, (void *)wait_for_ever,
    0, 0, 0, 0, 0, 0, 0, 0, (void *)systick_handler,
};
static uint32_t table[128] __attribute__((aligned(512)));

__attribute__((noinline)) void error_handler(void) { wait_for_ever(); }

static void until(uint32_t reg, uint32_t mask, uint32_t value) {
    uint32_t start = ticks;
    while ((REG(reg) & mask) != value)
        if (ticks - start > 100) error_handler();
}

__attribute__((noinline)) void clock_config(void) {
    REG(RCC + 0x40) |= 1 << 28;
    REG(PWR) |= 3 << 14;
    REG(RCC) |= 1 << 16;
    until(RCC, 1 << 17, 1 << 17);
    REG(RCC) &= ~(1u << 24);
    until(RCC, 1 << 25, 0);
    REG(RCC + 4) = 8 | 336 << 6 | 7 << 24;
    REG(RCC) |= 1 << 24;
    until(RCC, 1 << 25, 1 << 25);
    REG(FLASH_ACR) = 0x705;
    if ((REG(FLASH_ACR) & 15) != 5) error_handler();
    if (!(REG(RCC) & 1 << 25)) error_handler();
    REG(RCC + 8) = (REG(RCC + 8) & ~3u) | 2;
    until(RCC + 8, 12, 8);
    if (!(REG(RCC) & 1 << 25) || (REG(RCC + 8) & 12) != 8) error_handler();
    REG(RCC + 0x30) |= 0x1ff;
    (void)REG(RCC + 0x30);
}

/* Overflows the stack on purpose. */
__attribute__((noinline)) uint32_t descend(uint32_t depth) {
    volatile uint32_t frame[16];
    frame[depth & 15] = depth;
    return depth == 0 ? 0 : descend(depth - 1) + frame[depth & 15];
}

__attribute__((noinline)) uint32_t multiply(uint32_t a, uint32_t b) { return a * b + room[0]; }

__attribute__((noinline)) void serial_loop(void) {
    for (;;) {
        while (!(REG(UART) & 1 << 5)) {}
        result += REG(UART + 4);
    }
}

int main(void) {
    memcpy(table, vectors, sizeof vectors);
    REG(0xe000ed08) = (uint32_t)table;
    REG(0xe000ed0c) = 0x05fa0000 | 3 << 8;
    REG(0xe000e014) = 15999;
    REG(0xe000e018) = 0;
    REG(0xe000ed20) = 0xf0000000;
    REG(0xe000e010) = 7;
    clock_config();
    /* One bit by way of the bit-band alias of room[0], and a bus fault that the program handles itself. */
    REG(0x22000000 + ((uint32_t)room - 0x20000000) * 32 + 4 * 5) = 1;
    result = multiply(6, 7);
    REG(0xe000ed24) |= 1 << 17;
#ifdef PROBE
    __asm volatile("ldr r0, =0x90000000\n.short 0x6801" ::: "r0", "r1");
#endif
    serial_loop();
}
