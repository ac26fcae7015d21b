#include <algorithm>
#include <iostream>
#include <map>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

int main() {
    std::vector<int> v(20);
    std::iota(v.begin(), v.end(), 1);
    std::stable_partition(v.begin(), v.end(), [](int x) { return x % 3 == 0; });
    std::map<std::string, int> sizes;
    std::istringstream in("crane hook cable hook crane hook");
    for (std::string w; in >> w;) sizes[w]++;
    for (auto &[w, n] : sizes) std::cout << w << ' ' << n << '\n';
    for (int x : v) std::cout << x << ' ';
    std::cout << '\n' << std::accumulate(v.begin(), v.end(), 0.5) << std::endl;
}
