/* Where keys and values lie; kernels.h describes the cache. */
#ifndef ISTHMUS_CUDA_CACHE_H
#define ISTHMUS_CUDA_CACHE_H

#include "elements.h"

/* A layer in block `index` of a sequence whose block addresses begin at `blocks`. */
template <class E> __device__ inline E *cached_layer(const uint64_t *blocks, int index, int64_t layer_offset)
{
    return reinterpret_cast<E *>(blocks[index] + layer_offset);
}

#endif
