// What C++ and newlib bring along: constructors, virtual calls, templates, the heap, formatted floating point,
// non-local jumps, and the string functions that newlib has in assembly.
#include <csetjmp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace {
int constructed = 0;

struct Counted {
    int number;
    Counted() : number(++constructed) {}
};
Counted first, second;

struct Shape {
    virtual ~Shape() {}
    virtual double area() const = 0;
};
struct Circle : Shape {
    double radius;
    explicit Circle(double r) : radius(r) {}
    double area() const override { return 3.14159265358979 * radius * radius; }
};
struct Square : Shape {
    float side;
    explicit Square(float s) : side(s) {}
    double area() const override { return side * side; }
};

std::jmp_buf back;

void jump(int depth) {
    volatile char deep[64] = {0};
    if (depth == 0) std::longjmp(back, 42);
    jump(depth - 1);
    deep[0] = 1;
}

uint32_t checksum(const uint8_t *bytes, size_t n) {
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < n; i++) sum = (sum ^ bytes[i]) * 16777619u;
    return sum;
}

#ifdef __cpp_exceptions
int throws(int value) {
    if (value > 3) throw std::string("too large");
    return value;
}
#endif
}  // namespace

int main() {
    std::printf("constructed %d: %d %d\n", constructed, first.number, second.number);

    std::vector<Shape *> shapes;
    for (int i = 1; i <= 4; i++) {
        if (i & 1) shapes.push_back(new Circle(i * 0.5));
        else shapes.push_back(new Square(i * 1.25f));
    }
    double sum = 0;
    for (Shape *s : shapes) sum += s->area(), delete s;
    std::printf("area %.6f %g %a\n", sum, sum * 1e20, sum);

    std::map<std::string, int> words;
    const char *text = "the quick brown fox jumps over the lazy dog the end";
    char copy[64];
    std::strcpy(copy, text);
    for (char *w = std::strtok(copy, " "); w; w = std::strtok(nullptr, " ")) words[w]++;
    for (auto &w : words) std::printf("%s=%d ", w.first.c_str(), w.second);
    std::printf("\n");

    // Every alignment and overlap of the block functions.
    static uint8_t a[300], b[300];
    for (int i = 0; i < 300; i++) a[i] = uint8_t(i * 7 + 1);
    for (int from = 0; from < 8; from++)
        for (int to = 0; to < 8; to++)
            for (int n = 0; n < 70; n += 9) {
                std::memcpy(b + to, a + from, n);
                std::memmove(b + from, b + to, n + 5);
                std::memset(b + 100 + to, n, n);
            }
    a[299] = 0;
    std::printf("blocks %08lx, %u, %d\n", (unsigned long)checksum(b, 300), unsigned(std::strlen(text + 3)),
                std::memcmp(a, b, 300) > 0);

    volatile int tries = 0;
    int value = setjmp(back);
    tries = tries + 1;
    if (value == 0) jump(5);
    std::printf("jumped %d %d\n", value, tries);

    volatile long long big = 0x123456789abcdefLL;
    std::printf("long %lld %llu %lld\n", big / 12345, (unsigned long long)big % 997u, big * -3 >> 7);
    std::printf("math %.9g %.9g %.5f %.5f\n", std::exp(1.5), std::sin(2.5), std::sqrt(2.0f), std::pow(1.1f, 7.0f));
    float f;
    std::printf("scan %d %.3f\n", std::sscanf("  -12.75e1x", "%f", &f), double(f));
    std::printf("strto %ld %g\n", std::strtol("-0x7fE", nullptr, 16), std::atof("1e-3"));

    int caught = 0;
#ifdef __cpp_exceptions
    for (int i = 0; i < 6; i++) {
        try {
            caught += throws(i);
        } catch (const std::string &s) {
            caught += 100 * int(s.size());
        }
    }
#endif
    std::printf("caught %d\n", caught);
    std::exit(3);
}
