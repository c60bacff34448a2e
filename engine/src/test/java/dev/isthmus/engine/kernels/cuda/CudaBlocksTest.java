package dev.isthmus.engine.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/** In a device's block keys lie as values do, position by position. */
class CudaBlocksTest {

    private static final int HEAD_CHANNELS = 16;

    @Test
    void forgottenPositionsAreZeroed() {
        try (Arena arena = Arena.ofConfined()) {
            KvCache cache = new KvCache(2, 2, HEAD_CHANNELS, 100, DType.BF16, arena);
            MemorySegment bytes = arena.allocate(cache.blockBytes(), Double.BYTES).fill((byte) 1);
            CudaBlocks blocks = new CudaBlocks(null, null, null);
            for (int slot = 10; slot < KvCache.BLOCK_POSITIONS; slot++) {
                blocks.clear(cache, bytes, slot);
            }
            for (long i = 0; i < bytes.byteSize(); i++) {
                long position = i / Short.BYTES / HEAD_CHANNELS % KvCache.BLOCK_POSITIONS;
                assertEquals(position < 10 ? 1 : 0, bytes.get(ValueLayout.JAVA_BYTE, i), "byte " + i);
            }
        }
    }
}
