/* The kernels that write and read the KV cache, over sequences of awkward lengths in blocks that lie anywhere. */
#include <algorithm>
#include <memory>

#include "harness.h"

/* Sequences of which the last rows, all or one, are to be computed. */
template <class E> struct scene {
    enum { LAYERS = 3, LAYER = 1 };
    int H, D, C;
    std::vector<int> lengths;
    std::vector<std::unique_ptr<buffer<E>>> blocks;
    std::vector<uint64_t> table;
    std::vector<int64_t> starts;
    std::vector<E> qkv; /* of all positions of all sequences, the bias added */
    std::vector<int> first; /* position in qkv of each sequence */

    scene(int H, int D, std::vector<int> lengths) : H(H), D(D), C(H * D), lengths(lengths)
    {
        int rows = 0;
        for (int length : lengths) {
            first.push_back(rows);
            rows += length;
            starts.push_back((int64_t)table.size());
            for (int p = 0; p < length; p += CACHE_BLOCK)
                table.push_back(0);
        }
        std::vector<size_t> order(table.size());
        for (size_t i = 0; i < order.size(); i++)
            order[i] = i;
        for (size_t i = order.size(); i > 1; i--)
            std::swap(order[i - 1], order[(size_t)random_below((int64_t)i)]);
        for (size_t i : order) {
            blocks.push_back(std::make_unique<buffer<E>>(LAYERS * layer_elements()));
            table[i] = (uint64_t)(uintptr_t)blocks.back()->get();
            /* What nobody wrote is NaN, so that it shows where it is read. */
            std::memset(blocks.back()->get(), 0xff, (size_t)(LAYERS * layer_elements()) * sizeof(E));
        }
        qkv = random_elements<E>((int64_t)rows * 3 * C, 2);
    }

    int64_t layer_elements() const
    {
        return (int64_t)2 * H * CACHE_BLOCK * D;
    }

    int64_t layer_offset() const
    {
        return LAYER * layer_elements() * (int64_t)sizeof(E);
    }

    int rows() const
    {
        return (int)(qkv.size() / (size_t)(3 * C));
    }

    /* Part 0, 1 or 2 is a query, key or value. */
    double number(int sequence, int position, int part, int h, int d) const
    {
        return to_float(qkv[(size_t)(((int64_t)(first[(size_t)sequence] + position) * 3 + part) * C + h * D + d)]);
    }

    E *cached(int sequence, int position, int part, int h, int d) const
    {
        E *block = (E *)(uintptr_t)table[(size_t)(starts[(size_t)sequence] + position / CACHE_BLOCK)];
        return block + LAYER * layer_elements() + (((part - 1) * H + h) * CACHE_BLOCK + position % CACHE_BLOCK) * D + d;
    }

    bool guards_hold() const
    {
        return std::all_of(blocks.begin(), blocks.end(), [](const auto &b) { return b->guards_hold(); });
    }

    /* Writes keys and values to the cache without a kernel. */
    void fill()
    {
        for (int s = 0; s < (int)lengths.size(); s++)
            for (int p = 0; p < lengths[(size_t)s]; p++)
                for (int part = 1; part < 3; part++)
                    for (int i = 0; i < C; i++)
                        *cached(s, p, part, i / D, i % D) = of_float<E>((float)number(s, p, part, i / D, i % D));
    }

    /* Attention of a position's query of head h, appended to out. */
    void attend(int s, int position, int h, double scale, std::vector<double> &out) const
    {
        std::vector<double> weights((size_t)position + 1);
        double maximum = -INFINITY, sum = 0;
        for (int p = 0; p <= position; p++) {
            double score = 0;
            for (int d = 0; d < D; d++)
                score += number(s, position, 0, h, d) * number(s, p, 1, h, d);
            weights[(size_t)p] = score * scale;
            maximum = std::fmax(maximum, score * scale);
        }
        for (double &w : weights)
            sum += w = std::exp(w - maximum);
        for (int d = 0; d < D; d++) {
            double value = 0;
            for (int p = 0; p <= position; p++)
                value += weights[(size_t)p] * number(s, p, 2, h, d);
            out.push_back(value / sum);
        }
    }
};

/* The rows [lengths - count, lengths) of each sequence, as a batch. */
template <class E> struct batch {
    std::vector<int32_t> positions, sequences, tiles;
    std::vector<E> q;
    std::vector<double> want;

    batch(const scene<E> &s, const std::vector<int> &counts, double scale)
    {
        for (int i = 0; i < (int)counts.size(); i++) {
            const int from = s.lengths[(size_t)i] - counts[(size_t)i];
            for (int p = from; p < s.lengths[(size_t)i]; p++) {
                if ((p - from) % ATTENTION_TILE == 0) {
                    tiles.push_back((int32_t)positions.size());
                    tiles.push_back(std::min<int32_t>(ATTENTION_TILE, s.lengths[(size_t)i] - p));
                }
                positions.push_back(p);
                sequences.push_back(i);
                for (int h = 0; h < s.H; h++) {
                    for (int d = 0; d < s.D; d++)
                        q.push_back(of_float<E>((float)s.number(i, p, 0, h, d)));
                    s.attend(i, p, h, scale, want);
                }
            }
        }
    }
};

template <class E> using append_kernel = void(const E *, const float *, E *, const int32_t *, const int32_t *,
                                              const uint64_t *, const int64_t *, int64_t, int32_t, int32_t);
template <class E> using prefill_kernel = void(const E *, E *, const int32_t *, const int32_t *, const int32_t *,
                                               const uint64_t *, const int64_t *, int64_t, int32_t, float);
template <class E> using decode_kernel = void(const E *, float *, E *, const int32_t *, const int32_t *, const uint64_t *,
                                              const int64_t *, int64_t, int32_t, float);
template <class E> using combine_kernel = void(const float *, E *, int32_t, int32_t, int32_t);

/* What float32 arithmetic may add; the weights of f16 and bf16 are rounded for the tensor cores too. */
template <class E> double arithmetic(bool tensor_cores)
{
    return std::is_same<E, float>::value || !tensor_cores ? 4e-6 : 2 * rounding<E>();
}

template <class E> static void appends(append_kernel<E> *kernel, const char *name, int H, int D)
{
    scene<E> s(H, D, {1, 70, 64});
    const int rows = s.rows(), C = s.C;
    const buffer<E> qkv(s.qkv), q((int64_t)rows * C);
    const buffer<float> bias(random_elements<float>(3 * C));
    const buffer<uint64_t> table(s.table);
    const buffer<int64_t> starts(s.starts);
    const buffer<int32_t> positions(rows), sequences(rows);
    for (int i = 0, t = 0; i < 3; i++)
        for (int p = 0; p < s.lengths[(size_t)i]; p++, t++)
            positions[t] = p, sequences[t] = i;
    for (int with = 0; with < 2; with++) {
        run(kernel, {(unsigned)rows, (unsigned)(3 * C + 1023) / 1024}, {256}, 0, qkv.get(), with ? bias.get() : nullptr,
            with ? q.get() : nullptr, positions.get(), sequences.get(), table.get(), starts.get(), s.layer_offset(), H, D);
        bool right = true;
        for (int t = 0; t < rows; t++)
            for (int i = 0; i < 3 * C; i++) {
                const float plain = to_float(qkv[(int64_t)t * 3 * C + i]);
                const float want = with ? to_float(of_float<E>(plain + bias[i])) : plain;
                const E *got = i >= C ? s.cached(sequences[t], positions[t], i / C, i % C / D, i % D) : nullptr;
                if (i < C)
                    right &= !with || to_float(q[(int64_t)t * C + i]) == want;
                else
                    right &= to_float(*got) == want;
            }
        int written = 0;
        for (const auto &block : s.blocks)
            for (int64_t i = 0; i < block->size(); i++)
                written += !std::isnan(to_float((*block)[i]));
        check(right && written == rows * 2 * C && s.guards_hold() && q.guards_hold(), "append_kv_%s, H = %d, D = %d", name,
              H, D);
    }
}

template <class E> static void prefills(prefill_kernel<E> *kernel, const char *name, int D, const std::vector<int> &lengths,
                                        const std::vector<int> &counts)
{
    enum { H = 2 };
    const float scale = 1 / std::sqrt((float)D);
    scene<E> s(H, D, lengths);
    s.fill();
    const batch<E> b(s, counts, scale);
    const buffer<E> q(b.q), out((int64_t)b.q.size());
    const buffer<int32_t> positions(b.positions), sequences(b.sequences), tiles(b.tiles);
    const buffer<uint64_t> table(s.table);
    const buffer<int64_t> starts(s.starts);
    const dim3 grid = {H, (unsigned)b.tiles.size() / 2}, block = {(unsigned)ATTENTION_PREFILL_THREADS(sizeof(E))};
    const auto compute = [&](E *to) {
        run(kernel, grid, block, (size_t)ATTENTION_PREFILL_SHARED(sizeof(E), D), q.get(), to, tiles.get(), positions.get(),
            sequences.get(), table.get(), starts.get(), s.layer_offset(), (int)H, scale);
    };
    compute(out.get());
    const double off = worst(out, b.want, arithmetic<E>(true));
    check(off <= 1 && out.guards_hold() && q.same_bits(b.q), "attention_prefill_%s_%d, %d of %d positions: %.3g", name, D,
          counts[0], lengths[0], off);
    compute(q.get());
    check(q.same_bits(out.copy()), "attention_prefill_%s_%d in place, in another order", name, D);
}

template <class E>
static void decodes(decode_kernel<E> *kernel, combine_kernel<E> *combine, const char *name, int D,
                    const std::vector<int> &lengths, const std::vector<int> &counts, int splits)
{
    enum { H = 3 };
    const float scale = 0.7f / std::sqrt((float)D);
    scene<E> s(H, D, lengths);
    s.fill();
    const batch<E> b(s, counts, scale);
    const unsigned rows = (unsigned)b.positions.size();
    const buffer<E> q(b.q), out((int64_t)b.q.size());
    const buffer<float> partial((int64_t)rows * H * splits * (D + 2));
    const buffer<int32_t> positions(b.positions), sequences(b.sequences);
    const buffer<uint64_t> table(s.table);
    const buffer<int64_t> starts(s.starts);
    std::vector<E> before;
    for (int i = 0; i < SCHEDULES; i++) {
        run(kernel, {(unsigned)splits, H, rows}, {128}, 0, q.get(), splits > 1 ? partial.get() : nullptr, out.get(),
            positions.get(), sequences.get(), table.get(), starts.get(), s.layer_offset(), (int)H, scale);
        if (splits > 1)
            run(combine, {rows, H}, {128}, 0, partial.get(), out.get(), (int)H, D, splits);
        const double off = worst(out, b.want, arithmetic<E>(false));
        check(off <= 1 && out.guards_hold() && partial.guards_hold() && (i == 0 || out.same_bits(before)),
              "attention_decode_%s_%d, %d positions in %d parts: %.3g", name, D, lengths[0], splits, off);
        before = out.copy();
    }
    if (splits == 1) {
        run(kernel, {1, H, rows}, {128}, 0, q.get(), nullptr, q.get(), positions.get(), sequences.get(), table.get(),
            starts.get(), s.layer_offset(), (int)H, scale);
        check(q.same_bits(before), "attention_decode_%s_%d in place", name, D);
    }
}

/* Scores so large that only one position counts, and so small that all count the same. */
template <class E> static void extremes(decode_kernel<E> *decode, combine_kernel<E> *combine, prefill_kernel<E> *prefill)
{
    enum { H = 1, D = 64, LENGTH = 130 };
    for (float scale : {1000.0f, 0.0f}) {
        scene<E> s(H, D, {LENGTH});
        s.fill();
        const batch<E> b(s, {1}, scale);
        const buffer<E> q(b.q), out(D);
        const buffer<float> partial(2 * (D + 2));
        const buffer<int32_t> positions(std::vector<int32_t>{LENGTH - 1}), sequences(std::vector<int32_t>{0});
        const buffer<int32_t> tiles(std::vector<int32_t>{0, 1});
        const buffer<uint64_t> table(s.table);
        const buffer<int64_t> starts(s.starts);
        run(decode, {2, H, 1}, {128}, 0, q.get(), partial.get(), out.get(), positions.get(), sequences.get(), table.get(),
            starts.get(), s.layer_offset(), (int)H, scale);
        run(combine, {1, H}, {128}, 0, partial.get(), out.get(), (int)H, (int)D, 2);
        check(worst(out, b.want, 0.01) <= 1, "attention_decode with a scale of %g", (double)scale);
        run(prefill, {H, 1}, {(unsigned)ATTENTION_PREFILL_THREADS(sizeof(E))}, (size_t)ATTENTION_PREFILL_SHARED(sizeof(E), D),
            q.get(), out.get(), tiles.get(), positions.get(), sequences.get(), table.get(), starts.get(), s.layer_offset(),
            (int)H, scale);
        check(worst(out, b.want, 0.01) <= 1, "attention_prefill with a scale of %g", (double)scale);
    }
}

void test_cache()
{
#define APPENDS(E, name)                 \
    appends<E>(append_kv_##name, #name, 1, 48); \
    appends<E>(append_kv_##name, #name, 12, 32);
    FOR_ELEMENTS(APPENDS)
#define PREFILLS(E, name, D)                                                                    \
    prefills<E>(attention_prefill_##name##_##D, #name, D, {1, 64, 65}, {1, 64, 65});            \
    prefills<E>(attention_prefill_##name##_##D, #name, D, {130, 5, 193}, {67, 2, 1});           \
    prefills<E>(attention_prefill_##name##_##D, #name, D, {127, 128, 129}, {64, 65, 1});
#define DECODES(E, name, D)                                                                                             \
    decodes<E>(attention_decode_##name##_##D, attention_combine_##name, #name, D, {1, 63, 64, 65}, {1, 1, 1, 1}, 1);    \
    decodes<E>(attention_decode_##name##_##D, attention_combine_##name, #name, D, {130, 1, 300}, {3, 1, 1}, 3);         \
    decodes<E>(attention_decode_##name##_##D, attention_combine_##name, #name, D, {200, 7}, {1, 1}, 64);
#define EVERY_HEAD_SIZE(E, name)  \
    HEAD_SIZES(PREFILLS, E, name) \
    HEAD_SIZES(DECODES, E, name)  \
    extremes<E>(attention_decode_##name##_64, attention_combine_##name, attention_prefill_##name##_64);
    FOR_ELEMENTS(EVERY_HEAD_SIZE)
}
