// C++ without exceptions: virtual calls, containers, strings, lambdas, static construction.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
    virtual std::string name() const = 0;
};
struct Circle : Shape {
    double r;
    explicit Circle(double radius) : r(radius) {}
    double area() const override { return 3.14159265358979 * r * r; }
    std::string name() const override { return "circle"; }
};
struct Box : Shape {
    double w, h;
    Box(double width, double height) : w(width), h(height) {}
    double area() const override { return w * h; }
    std::string name() const override { return w == h ? "square" : "rectangle"; }
};

static const std::vector<std::string> words = {"wasm", "jit", "crane", "stack", "heap", "trap", "jit", "crane"};

int main() {
    std::vector<std::unique_ptr<Shape>> shapes;
    for (int i = 1; i <= 4; i++) {
        shapes.push_back(std::make_unique<Circle>(i * 0.5));
        shapes.push_back(std::make_unique<Box>(i, i % 2 ? i : i + 1));
    }
    std::sort(shapes.begin(), shapes.end(), [](const auto &a, const auto &b) { return a->area() > b->area(); });
    for (const auto &s : shapes) std::printf("%-10s %8.4f\n", s->name().c_str(), s->area());
    std::map<std::string, int> seen;
    for (const auto &w : words) seen[w]++;
    std::string line;
    for (const auto &[word, n] : seen) line += word + "=" + std::to_string(n) + " ";
    line.pop_back();
    std::printf("%s\n", line.c_str());
}
