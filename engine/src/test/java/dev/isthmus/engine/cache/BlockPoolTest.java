package dev.isthmus.engine.cache;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Caches that have blocks in common. The value of each position stands for the text that was read there. */
class BlockPoolTest {

    private static final int B = KvCache.BLOCK_POSITIONS;
    private static final int CONTEXT = 4 * B;

    private final BlockPool pool = new BlockPool(BlockMemory.HOST, true, CacheLimit.AUTOMATIC);
    private final int[] text = IntStream.range(100, 100 + CONTEXT).toArray();

    @Test
    void aForkHasItsBlocksInCommonUntilOneOfThemIsWritten() {
        KvCache cache = newCache();
        write(cache, text, B + 10);
        long before = pool.bytes();
        KvCache fork = cache.fork();
        assertEquals(before, pool.bytes());
        assertArrayEquals(values(cache), values(fork));

        write(fork, new int[] {7}, 1);
        assertEquals(before + cache.blockBytes(), pool.bytes(), "the last block was copied, the full one not");
        assertEquals(7, fork.value(0, 0, B + 10, 0));
        write(cache, new int[] {8}, 1);
        assertEquals(before + cache.blockBytes(), pool.bytes(), "the other holds its block alone by now");
        assertEquals(7, fork.value(0, 0, B + 10, 0));
        assertEquals(8, cache.value(0, 0, B + 10, 0));
        fork.close();
        cache.close();
        assertEquals(0, pool.bytes());
    }

    @Test
    void forksMayBeClosedInAnyOrder() {
        for (List<Integer> order : List.of(List.of(0, 1, 2), List.of(1, 2, 0), List.of(2, 0, 1))) {
            KvCache parent = newCache();
            write(parent, text, 2 * B);
            KvCache child = parent.fork();
            List<KvCache> family = List.of(parent, child, child.fork());
            double[] all = values(parent);
            family.get(order.get(0)).close();
            assertArrayEquals(all, values(family.get(order.get(1))));
            family.get(order.get(1)).close();
            assertArrayEquals(all, values(family.get(order.get(2))));
            family.get(order.get(2)).close();
            assertEquals(0, pool.bytes());
        }
    }

    @Test
    void rewindingAndWritingLeavesAForkAsItWas() {
        KvCache cache = newCache();
        write(cache, text, 2 * B);
        KvCache fork = cache.fork();
        cache.rewind(3);
        write(cache, new int[B], B);
        assertArrayEquals(IntStream.range(100, 100 + 2 * B).asDoubleStream().toArray(), values(fork));
        cache.close();
        fork.close();
        assertEquals(0, pool.bytes());
    }

    @Test
    void fullBlocksAreTakenOverFromACacheOfTheSameText() {
        KvCache cache = newCache();
        write(cache, text, 2 * B + 5);
        long before = pool.bytes();
        KvCache other = newCache();
        other.adopt(text, 2 * B + 5);
        assertEquals(2 * B, other.length());
        assertEquals(before, pool.bytes());
        assertArrayEquals(IntStream.range(100, 100 + 2 * B).asDoubleStream().toArray(), values(other));

        KvCache limited = newCache();
        limited.adopt(text, 2 * B - 1);
        assertEquals(B, limited.length(), "not more than the caller may use");

        int[] another = text.clone();
        another[B + 1]++;
        KvCache differs = newCache();
        differs.adopt(another, CONTEXT);
        assertEquals(B, differs.length());
        int[] fromTheStart = text.clone();
        fromTheStart[0]++;
        KvCache nothing = newCache();
        nothing.adopt(fromTheStart, CONTEXT);
        assertEquals(0, nothing.length(), "a later block counts only behind the same text");
    }

    @Test
    void aBlockIsNoLongerFoundOnceItIsOverwrittenOrFreed() {
        KvCache cache = newCache();
        write(cache, text, 2 * B);
        cache.rewind(5);
        int[] changed = text.clone();
        changed[5] = 1;
        write(cache, new int[] {1}, 1);
        KvCache other = newCache();
        other.adopt(text, CONTEXT);
        assertEquals(0, other.length());

        write(cache, IntStream.range(106, 100 + B).toArray(), B - 6);
        cache.publish(changed, 0);
        other.adopt(changed, CONTEXT);
        assertEquals(B, other.length(), "the block behind it was computed for another text");
        cache.close();
        assertEquals(1, other.value(0, 0, 5, 0));
        other.close();
        KvCache late = newCache();
        late.adopt(changed, CONTEXT);
        assertEquals(0, late.length());
        assertEquals(0, pool.bytes());
    }

    @Test
    void cachesThatReadTheSameTextAtTheSameTimeEndWithOneCopy() {
        KvCache a = newCache();
        KvCache b = newCache();
        a.reserve(B);
        b.reserve(B);
        write(a, text, B);
        write(b, text, B);
        assertEquals(a.blockBytes(), pool.bytes());
        a.close();
        b.close();
    }

    @ParameterizedTest
    @EnumSource(names = {"F64", "F32", "F16", "INT8"})
    void whatIsReadFromABlockAndWrittenToAnotherIsTheSameAndHoldsNoForgottenPositions(DType type) {
        KvCache cache = new KvCache(1, 2, 3, CONTEXT, type, pool);
        write(cache, text, 20);
        cache.rewind(10);
        KvCache other = new KvCache(1, 2, 3, CONTEXT, type, pool);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(cache.blockBytes(), Double.BYTES);
            cache.readBlock(0, bytes);
            other.writeBlock(bytes, 10);
            assertArrayEquals(values(cache), values(other));
            for (int position = 0; position < B; position++) {
                assertEquals(position < 10, other.key(0, 1, position, 2) != 0);
                assertEquals(position < 10, other.value(0, 1, position, 2) != 0);
            }
        }
    }

    @Test
    void moreThanTheLimitIsATypedErrorThatChangesNothing() {
        long blockBytes = newCache().blockBytes();
        BlockPool limited = new BlockPool(BlockMemory.HOST, true, new CacheLimit(3 * blockBytes));
        KvCache cache = new KvCache(1, 2, 3, CONTEXT, DType.F32, limited);
        write(cache, text, 2 * B + 1);
        KvCache fork = cache.fork();
        assertThrows(OutOfMemoryException.class, () -> fork.reserve(1));
        assertEquals(3 * blockBytes, limited.bytes());
        assertArrayEquals(values(cache), values(fork));
        cache.rewind(2 * B);
        cache.close();
        write(fork, new int[] {7}, 1);
        fork.close();
        assertEquals(0, limited.bytes());
    }

    private KvCache newCache() {
        return new KvCache(1, 2, 3, CONTEXT, DType.F32, pool);
    }

    /** Writes the first {@code count} of {@code ids} and lets others find what is full. */
    private static void write(KvCache cache, int[] ids, int count) {
        int from = cache.length();
        cache.reserve(count);
        for (int i = 0; i < count; i++) {
            for (int h = 0; h < 2; h++) {
                double[] channels = {ids[i], ids[i], ids[i]};
                cache.set(0, h, from + i, channels, channels);
            }
        }
        cache.advance(count);
        if (from == 0) {
            cache.publish(ids, 0);
        }
    }

    private static double[] values(KvCache cache) {
        return IntStream.range(0, cache.length()).mapToDouble(p -> cache.value(0, 1, p, 2)).toArray();
    }
}
