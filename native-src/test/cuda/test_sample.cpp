/* Sampling against what the engine's Candidates and Exponentials do, written out plainly. */
#include <algorithm>
#include <numeric>

#include "harness.h"

static std::vector<double> powers()
{
    std::vector<double> table(2048);
    for (size_t j = 0; j < table.size(); j++)
        table[j] = std::exp((double)j * (std::log(2.0) / 2048));
    return table;
}

/* The ids by falling logit, the lower id first among equal ones. */
static std::vector<int> ranked(const std::vector<float> &logits)
{
    std::vector<int> ids(logits.size());
    std::iota(ids.begin(), ids.end(), 0);
    std::stable_sort(ids.begin(), ids.end(), [&](int a, int b) { return logits[(size_t)a] > logits[(size_t)b]; });
    return ids;
}

static double sum_of(const std::vector<double> &weights, std::vector<double> &sums)
{
    double total = 0;
    sums.clear();
    for (size_t from = 0; from < weights.size(); from += 64) {
        const size_t to = std::min(from + 64, weights.size());
        double four[4] = {0, 0, 0, 0};
        size_t i = from;
        for (; i + 3 < to; i += 4)
            for (size_t j = 0; j < 4; j++)
                four[j] += weights[i + j];
        for (; i < to; i++)
            four[0] += weights[i];
        sums.push_back(four[0] + four[1] + (four[2] + four[3]));
        total += sums.back();
    }
    return total;
}

static double next_double(uint64_t &state)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static int sampled(const std::vector<float> &logits, sampling &how, const std::vector<double> &table)
{
    const std::vector<int> ids = ranked(logits);
    if (how.temperature == 0)
        return ids[0];
    const double max = logits[(size_t)ids[0]];
    const double ln2 = 0x1.62e42fefa39efp-1, first = ln2 / 2048, second = first * first / 2;
    const double scale = std::fmin(2048 / ln2 / how.temperature, 0x1.fffffffffffffp1023);
    std::vector<double> weights, sums;
    for (float logit : logits) {
        const double y = std::fmax((logit - max) * scale, -1023.0 * 2048), whole = std::nearbyint(y), r = y - whole;
        const int64_t n = (int64_t)whole;
        const double power = n <= -1022 * 2048 ? 0 : std::ldexp(table[(size_t)(n & 2047)], (int)(n >> 11));
        weights.push_back(power + power * (r * (first + r * second)));
    }
    if (how.top_k > 0 && how.top_k < (int)logits.size())
        for (size_t id = 0; id < logits.size(); id++)
            if (logits[id] < logits[(size_t)ids[(size_t)how.top_k - 1]])
                weights[id] = 0;
    double total = sum_of(weights, sums);
    if (how.top_p < 1) {
        double kept = 0;
        bool enough = false;
        for (int id : ids) {
            if (enough)
                weights[(size_t)id] = 0;
            kept += weights[(size_t)id];
            enough |= kept >= how.top_p * total;
        }
        total = sum_of(weights, sums);
    }
    for (double &weight : weights)
        weight = weight < how.min_p ? 0 : weight;
    total = sum_of(weights, sums);

    const double target = next_double(how.random) * total;
    double sum = 0;
    size_t block = 0;
    for (size_t b = 0; b < sums.size(); b++)
        if (sums[b] > 0) {
            block = b;
            if (sum + sums[b] > target)
                break;
            sum += sums[b];
        }
    int drawn = -1;
    for (size_t id = block * 64; id < std::min((block + 1) * 64, weights.size()) && (drawn < 0 || sum <= target); id++)
        if (weights[id] > 0) {
            drawn = (int)id;
            sum += weights[id];
        }
    return drawn;
}

enum { T = 2 };

static void samples(const std::vector<float> &logits, sampling how, const char *what)
{
    static const std::vector<double> table = powers();
    const int V = (int)logits.size() / T;
    std::vector<sampling> hows(T, how);
    for (sampling &h : hows)
        h.random = (uint64_t)random_below(INT64_MAX);
    const buffer<float> rows(logits);
    const buffer<double> device_table(table);
    const buffer<sampling> device_hows(hows);
    const buffer<char> scratch(T * SAMPLE_SCRATCH_BYTES(V));
    const buffer<int32_t> tokens(T);
    for (int draw = 0; draw < (V < 100 ? 3 : 1); draw++) {
        run(sample, {T}, {1024}, (size_t)(V + 63) / 64 * 8, rows.get(), device_table.get(), device_hows.get(),
            (void *)scratch.get(), tokens.get(), V);
        for (int t = 0; t < T; t++) {
            const std::vector<float> row(logits.begin() + t * V, logits.begin() + (t + 1) * V);
            const int want = sampled(row, hows[(size_t)t], table);
            check(tokens[t] == want && device_hows[t].random == hows[(size_t)t].random, "%s, V = %d, row %d: %d, not %d",
                  what, V, t, tokens[t], want);
        }
    }
    check(tokens.guards_hold() && scratch.guards_hold() && device_hows.guards_hold(), "%s, V = %d: guards", what, V);
}

static void samples_all_ways(int V)
{
    std::vector<float> logits = random_elements<float>(T * V, 8), flat((size_t)(T * V), 1.5f), coarse = logits;
    for (float &logit : coarse)
        logit = std::round(logit * 2) / 2; /* many are equal */
    for (int t = 0; t < T; t++)
        logits[(size_t)(t * V + (int)random_below(V))] = -INFINITY, logits[(size_t)(t * V)] = 3;
    for (const auto &row : {logits, flat, coarse}) {
        samples(row, {0, 1, 0, 0, 0, 0}, "greedy");
        samples(row, {1, 1, 0, 0, 0, 0}, "plain");
        samples(row, {0.7, 1, 0, 40, 0, 0}, "top-k 40");
        samples(row, {1, 1, 0, 1, 0, 0}, "top-k 1");
        samples(row, {1.3, 0.9, 0, 0, 0, 0}, "top-p 0.9");
        samples(row, {1, 0.01, 0, 0, 0, 0}, "top-p 0.01");
        samples(row, {2, 0.5, 0.05, 50, 0, 0}, "all");
        samples(row, {1e-300, 0.95, 0, 0, 0, 0}, "cold");
    }
}

static void finds_the_largest(int V, const std::vector<float> &logits, const char *what)
{
    const int rows = (int)logits.size() / V, k = std::min({V, 50 + (int)random_below(20), (int)TOP_K_MOST});
    const buffer<float> device(logits), values(rows * k);
    const buffer<int32_t> ids(rows * k), best(rows);
    run(argmax, {(unsigned)rows}, {1024}, 0, device.get(), best.get(), V);
    run(top_k, {(unsigned)rows}, {1024}, 0, device.get(), values.get(), ids.get(), V, k);
    bool right = true;
    for (int t = 0; t < rows; t++) {
        const std::vector<float> row(logits.begin() + t * V, logits.begin() + (t + 1) * V);
        const std::vector<int> want = ranked(row);
        right &= best[t] == want[0];
        for (int i = 0; i < k; i++)
            right &= ids[t * k + i] == want[(size_t)i] && values[t * k + i] == row[(size_t)want[(size_t)i]];
    }
    check(right && best.guards_hold() && values.guards_hold() && ids.guards_hold(), "argmax, top_k %s, V = %d, k = %d", what,
          V, k);
}

static void refuses(float special, int at, int32_t want)
{
    enum { V = 40 };
    std::vector<float> logits(V, std::isinf(special) && special < 0 ? special : 1.0f);
    logits[(size_t)at] = special;
    const buffer<float> device(logits);
    const buffer<int32_t> best(1);
    const buffer<double> table(powers());
    const buffer<sampling> how(std::vector<sampling>{{1, 1, 0, 0, 0, 77}});
    const buffer<char> scratch(SAMPLE_SCRATCH_BYTES(V));
    run(argmax, {1}, {1024}, 0, device.get(), best.get(), (int)V);
    check(best[0] == want, "argmax where logit %d is %g: %d", at, (double)special, best[0]);
    run(sample, {1}, {1024}, 8, device.get(), table.get(), how.get(), (void *)scratch.get(), best.get(), (int)V);
    check(best[0] == want && how[0].random == 77, "sample where logit %d is %g: %d", at, (double)special, best[0]);
}

void test_sample()
{
    for (int V : {1, 2, 65, 1025})
        samples_all_ways(V);
    for (int V : {1, 31, 1024, 1025, 3001}) {
        std::vector<float> logits = random_elements<float>(2 * V, 8), equal((size_t)V, -2.5f);
        finds_the_largest(V, logits, "at random");
        finds_the_largest(V, equal, "of equal ones");
        for (float &logit : logits)
            logit = std::round(logit) * 0.5f * (random_below(2) ? 1 : -1); /* 0 and -0 among them */
        finds_the_largest(V, logits, "with ties");
        logits[(size_t)random_below(V)] = V > 1 ? -INFINITY : 0;
        finds_the_largest(V, logits, "with -infinity");
    }
    refuses(NAN, 7, -8);
    refuses(INFINITY, 0, -1);
    refuses(-INFINITY, 3, NO_FINITE_LOGIT);
}
