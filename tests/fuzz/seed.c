/* A program that touches a bit of everything, for the fuzzer to start from. */

extern int main(void);
extern unsigned stack_top[];

static volatile unsigned ticks;
static unsigned table[16];

static unsigned call_host(unsigned number, const void *parameter) {
    register unsigned r0 asm("r0") = number;
    register const void *r1 asm("r1") = parameter;
    asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void reset(void) {
#ifdef __ARM_FP
    *(volatile unsigned *)0xe000ed88 |= 0xf << 20;
    asm volatile("dsb\n isb");
#endif
    main();
    static const unsigned done[] = {0x20026, 0};
    call_host(0x18, (void *)0x20026);
    call_host(0x20, done);
    for (;;) asm volatile("wfi");
}

void tick(void) { ticks++; }
void ignore(void) {}

__attribute__((section(".vectors"), used)) static const void *vectors[16] = {
    stack_top, reset, ignore, ignore, ignore, ignore, ignore, 0, 0, 0, 0, ignore, ignore, 0, ignore, tick,
};

__attribute__((noinline)) static unsigned mix(unsigned a, unsigned b) {
    for (unsigned i = 1; i < 16; i++)
        table[i] = table[i - 1] * 31 + (a >> i) - b / i;
    return table[a & 15];
}

#ifdef __ARM_FP
__attribute__((noinline)) static float blend(float a, float b) { return a * b + a / b - (int)b; }
#endif

int main(void) {
    volatile unsigned *systick = (unsigned *)0xe000e010;
    systick[1] = 150;
    systick[0] = 7;
    volatile unsigned *device = (unsigned *)0x40000000;
    device[0] = 1;
    unsigned sum = mix(device[0], 7);
#ifdef __ARM_FP
    sum += (unsigned)blend((float)sum, 1.5f);
#endif
#ifdef __ARM_FEATURE_SIMD32
    asm volatile("sadd8 %0, %0, %1\n smlad %0, %0, %1, %1" : "+r"(sum) : "r"(ticks));
#endif
    asm volatile("svc 1");
    static const char text[] = "hello";
    static const unsigned written[] = {1, (unsigned)text, 5};
    call_host(5, written);
    while (ticks < 2) asm volatile("nop");
    return sum;
}
