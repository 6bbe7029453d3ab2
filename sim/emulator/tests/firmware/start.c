/* Start-up code as a vendor's package has it: floating-point unit, variables, then the C library. */
#include <stdint.h>
#include <string.h>

extern uint32_t __data_load[], __data_start[], __data_end[], __stack[];
extern void _start(void);

void reset(void) {
#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88 |= 0xF << 20;
    __asm__ volatile("dsb\n isb");
#endif
    memcpy(__data_start, __data_load, (char *)__data_end - (char *)__data_start);
    _start();
}

static void fault(void) {
    for (;;) {}
}

#ifndef OWN_VECTORS
__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    __stack, (void *)reset, (void *)fault, (void *)fault,
};
#endif
