#include "cache.h"

#include <math.h>
#include <string.h>

#include "packed.h"

enum { MAX_CHANNELS = ISTHMUS_MAX_HEAD_CHANNELS };

static int64_t rounded_up(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* The bytes of a head's keys, or values, in a block, without and with their scales. */
static int64_t bytes_of(int32_t type, int value, int64_t D)
{
    if (type == ISTHMUS_TYPE_INT8)
        return 64 * rounded_up(D, value ? 16 : 4);
    return 64 * (value ? rounded_up(D, 16) : D) * (type == ISTHMUS_TYPE_F16 ? 2 : 4);
}

static int64_t bytes_with_scales(int32_t type, int value, int64_t D)
{
    return bytes_of(type, value, D) + (type == ISTHMUS_TYPE_INT8 ? 64 * 4 : 0);
}

void cache_new(struct cache *cache, int sequences, int64_t positions, int32_t type, int64_t layer_offset, int64_t H,
               int64_t D)
{
    const int64_t each = (positions + 63) / 64;
    const int64_t layer = H * (bytes_with_scales(type, 0, D) + bytes_with_scales(type, 1, D));
    cache->count = each * sequences;
    cache->layer_offset = layer_offset;
    cache->H = H;
    cache->D = D;
    cache->type = type;
    for (int64_t b = 0; b < cache->count; b++) {
        cache->block[b] = tensor_new((layer_offset + layer) / 4, (int)(b % 4));
        for (int64_t i = 0; i < cache->block[b].size; i++)
            set(&cache->block[b], i, float_of_bits(0x7fff7fff));
        cache->blocks[b] = (uint64_t)(uintptr_t)cache->block[b].data;
    }
    for (int s = 0; s < sequences; s++) /* the last sequence's blocks come first */
        cache->block_start[s] = (sequences - 1 - s) * each;
}

void cache_free(struct cache *cache)
{
    for (int64_t b = 0; b < cache->count; b++)
        tensor_free(&cache->block[b]);
}

/* The byte in a block where a head's keys or values begin. */
static int64_t tile_of(const struct cache *cache, int value, int64_t h)
{
    const int64_t keys = bytes_with_scales(cache->type, 0, cache->D);
    const int64_t before = value ? cache->H * keys + h * bytes_with_scales(cache->type, 1, cache->D) : h * keys;
    return cache->layer_offset + before;
}

/* The byte in a block where the element lies. */
static int64_t byte_of(const struct cache *cache, int value, int64_t position, int64_t h, int64_t d)
{
    const int64_t tile = tile_of(cache, value, h), slot = position % 64;
    const int64_t channels = rounded_up(cache->D, 16);
    if (cache->type == ISTHMUS_TYPE_INT8)
        return tile + (value ? slot / 4 * 4 * channels + d * 4 + slot % 4 : d / 4 * 256 + slot * 4 + d % 4);
    const int64_t element = value ? slot * channels + d : d * 64 + slot;
    return tile + element * (cache->type == ISTHMUS_TYPE_F16 ? 2 : 4);
}

static struct tensor *block_of(const struct cache *cache, int32_t sequence, int64_t position)
{
    return (struct tensor *)(uintptr_t)&cache->block[cache->block_start[sequence] + position / 64];
}

static char *scale_of(const struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h)
{
    const int64_t scales = tile_of(cache, value, h) + bytes_of(cache->type, value, cache->D);
    return (char *)block_of(cache, sequence, position)->data + scales + position % 64 * 4;
}

double cache_scale(const struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h)
{
    float scale = 0;
    if (cache->type == ISTHMUS_TYPE_INT8)
        memcpy(&scale, scale_of(cache, value, sequence, position, h), sizeof scale);
    return scale;
}

double cache_get(const struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h, int64_t d)
{
    const struct tensor *block = block_of(cache, sequence, position);
    const int64_t byte = byte_of(cache, value, position, h, d);
    if (cache->type == ISTHMUS_TYPE_INT8)
        return cache_scale(cache, value, sequence, position, h) *
               (value ? (int8_t)get_u8(block, byte) : get_u8(block, byte) - 128);
    return cache->type == ISTHMUS_TYPE_F16 ? half_value(get_u16(block, byte)) : (double)get(block, byte / 4);
}

float round_to_scale(const float *x, int64_t count, int *bytes)
{
    float largest = 0;
    for (int64_t i = 0; i < count; i++)
        largest = isnan(x[i]) || largest < fabsf(x[i]) ? fabsf(x[i]) : largest;
    for (int64_t i = 0; i < count; i++)
        bytes[i] = largest > 0 && isfinite(largest) ? (int)rintf(x[i] * (127.0f / largest)) : 0;
    return isfinite(largest) ? largest / 127.0f : NAN;
}

void cache_set_all(struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h, const float *x)
{
    struct tensor *block = block_of(cache, sequence, position);
    const int64_t D = cache->D;
    int bytes[MAX_CHANNELS] = {0};
    const float scale = round_to_scale(x, D, bytes);
    for (int64_t d = 0; d < D; d++) {
        const int64_t byte = byte_of(cache, value, position, h, d);
        if (cache->type == ISTHMUS_TYPE_F16)
            set_u16(block, byte, nearest_half(x[d]));
        else if (cache->type == ISTHMUS_TYPE_F32)
            set(block, byte / 4, x[d]);
    }
    if (cache->type != ISTHMUS_TYPE_INT8)
        return;
    memcpy(scale_of(cache, value, sequence, position, h), &scale, sizeof scale);
    for (int64_t d = 0; d < (value ? D : rounded_up(D, 4)); d++)
        ((char *)block->data)[byte_of(cache, value, position, h, d)] = (char)(value ? bytes[d] : bytes[d] + 128);
}

void cache_set(struct cache *cache, int value, int32_t sequence, int64_t position, int64_t h, int64_t d, float x)
{
    float all[MAX_CHANNELS];
    for (int64_t i = 0; i < cache->D; i++)
        all[i] = i == d ? x : (float)cache_get(cache, value, sequence, position, h, i);
    cache_set_all(cache, value, sequence, position, h, all);
}
