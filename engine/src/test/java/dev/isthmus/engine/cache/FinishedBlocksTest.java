package dev.isthmus.engine.cache;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.memory.FakeSystem;
import dev.isthmus.engine.memory.MemoryBudget;
import dev.isthmus.engine.memory.SystemMemory;
import dev.isthmus.engine.tensor.DType;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Blocks of finished texts are found again until their memory is needed. */
class FinishedBlocksTest {

    private static final int B = KvCache.BLOCK_POSITIONS;
    private static final int CONTEXT = 6 * B;
    private static final long BLOCK = new KvCache(1, 2, 4, CONTEXT, DType.F32, Arena.global()).blockBytes();

    private final MemoryBudget unlimited = new MemoryBudget(new SystemMemory(), 0);
    private final int[] text = text(100);
    private final int[] other = text(5000);

    @TempDir
    Path root;

    private static int[] text(int first) {
        return IntStream.range(first, first + CONTEXT).toArray();
    }

    private BlockPool pool(PrefixSharing sharing, long blocks) {
        return new BlockPool(BlockMemory.HOST, sharing, new CacheLimit(blocks * BLOCK), unlimited);
    }

    private static KvCache cache(BlockPool pool) {
        return new KvCache(1, 2, 4, CONTEXT, DType.F32, pool);
    }

    /** Reads a text as a session does, and says how much was taken over. */
    private static int read(KvCache cache, int[] ids, int count) {
        int adopted = cache.adopt(ids, count - 1);
        int from = cache.length();
        cache.reserve(count - from);
        for (int position = from; position < count; position++) {
            double[] channels = {ids[position], 0, 0, 0};
            cache.set(0, 1, position, channels, channels);
        }
        cache.advance(count - from);
        cache.publish(ids, from);
        return adopted;
    }

    /** Reads a text and closes the cache. */
    private static int finish(BlockPool pool, int[] ids, int count) {
        try (KvCache cache = cache(pool)) {
            int adopted = read(cache, ids, count);
            assertEquals(ids[count - 1], cache.value(0, 1, count - 1, 0));
            assertEquals(ids[0], cache.value(0, 1, 0, 0));
            return adopted;
        }
    }

    @Test
    void aFinishedTextIsTakenOver() {
        try (BlockPool pool = pool(PrefixSharing.KEPT, 10)) {
            assertEquals(0, finish(pool, text, 2 * B + 5));
            assertEquals(0, pool.bytes());
            assertEquals(2 * BLOCK, pool.finishedBytes(), "the block that was not full is gone");
            assertEquals(2 * B, finish(pool, text, 2 * B + 5));
            assertEquals(2 * B, pool.takenOver());
            assertEquals(B, finish(pool, text, 2 * B), "the last position is computed");
        }
    }

    @Test
    void closingThePoolFreesFinishedTexts() {
        BlockPool pool = pool(PrefixSharing.KEPT, 10);
        KvCache open = cache(pool);
        read(open, other, B);
        finish(pool, text, 2 * B + 1);
        pool.close();
        assertEquals(0, pool.finishedBytes());
        open.close();
        assertEquals(0, pool.finishedBytes() + pool.bytes());
    }

    @Test
    void withoutKeepingAFinishedTextIsGone() {
        for (PrefixSharing sharing : new PrefixSharing[] {PrefixSharing.NONE, PrefixSharing.HELD}) {
            try (BlockPool pool = pool(sharing, 10); KvCache open = cache(pool)) {
                read(open, text, B + 1);
                finish(pool, other, B + 1);
                assertEquals(0, pool.finishedBytes());
                assertEquals(0, finish(pool, other, B + 1));
                assertEquals(sharing == PrefixSharing.HELD ? B : 0, finish(pool, text, B + 1));
            }
        }
    }

    @Test
    void theLeastRecentlyUsedGoesFirst() {
        try (BlockPool pool = pool(PrefixSharing.KEPT, 4)) {
            finish(pool, text, B + 1);
            finish(pool, other, B + 1);
            finish(pool, text, B + 1);
            finish(pool, text(9000), 2 * B + 1);
            assertEquals(B, finish(pool, text, B + 1), "used again before the others");
            assertEquals(0, finish(pool, other, B + 1));
        }
    }

    @Test
    void theEndOfATextGoesBeforeItsBeginning() {
        try (BlockPool pool = pool(PrefixSharing.KEPT, 5)) {
            finish(pool, text, 4 * B + 1);
            try (KvCache open = cache(pool)) {
                read(open, other, 2 * B);
            }
            assertEquals(3 * B, finish(pool, text, 4 * B));
        }
    }

    @Test
    void openTextsAreNeverEvicted() {
        try (BlockPool pool = pool(PrefixSharing.KEPT, 3); KvCache open = cache(pool)) {
            read(open, text, 2 * B);
            finish(pool, other, B);
            KvCache third = cache(pool);
            read(third, text(9000), B);
            assertThrows(OutOfMemoryException.class, () -> third.reserve(1));
            assertEquals(text[0], open.value(0, 1, 0, 0));
            assertEquals(0, pool.availableBytes());
            third.close();
            assertEquals(BLOCK, pool.availableBytes(), "a finished text counts as free");
        }
    }

    @Test
    void domainsShareNothing() {
        try (BlockPool pool = pool(PrefixSharing.KEPT, 10)) {
            try (KvCache tenant = cache(pool).inDomain("tenant")) {
                assertEquals(0, read(tenant, text, 2 * B + 1));
                try (KvCache fork = tenant.fork()) {
                    assertEquals(2 * B + 1, fork.length());
                }
            }
            assertEquals(0, finish(pool, text, 2 * B + 1));
            try (KvCache tenant = cache(pool).inDomain("tenant")) {
                assertEquals(2 * B, read(tenant, text, 2 * B + 1));
            }
            try (KvCache another = cache(pool).inDomain("another")) {
                assertEquals(0, read(another, text, 2 * B + 1));
            }
        }
    }

    @Test
    void aTextGoneBackFromIsKeptWhereThereIsRoom() {
        for (int blocks : new int[] {2, 4}) {
            try (BlockPool pool = pool(PrefixSharing.KEPT, blocks); KvCache cache = cache(pool)) {
                read(cache, text, 2 * B);
                cache.rewind(10);
                int[] changed = text.clone();
                changed[10] = 1;
                cache.reserve(B - 10);
                for (int position = 10; position < B; position++) {
                    double[] channels = {changed[position], 0, 0, 0};
                    cache.set(0, 1, position, channels, channels);
                }
                cache.advance(B - 10);
                cache.publish(changed, 0);
                assertEquals(text[9], cache.value(0, 1, 9, 0));
                assertEquals(1, cache.value(0, 1, 10, 0));
                if (blocks == 4) {
                    assertEquals(2 * B, finish(pool, text, 2 * B + 1));
                }
            }
        }
    }

    @Test
    void modelsMakeRoomForEachOther() {
        // The JVM leaves 4 MiB of 100 MiB, so that only the 16 MiB can be taken for which nobody is asked: one block.
        MemoryBudget shared = new MemoryBudget(new FakeSystem(root, 100).memory(), 0);
        try (KvCache first = large(shared)) {
            read(first, text, B);
        }
        try (KvCache second = large(shared)) {
            assertThrows(OutOfMemoryException.class, () -> second.reserve(2 * B), "two never fit");
            second.reserve(B);
            assertEquals(second.blockBytes(), second.bytes());
        }
    }

    /** Of blocks of nearly 16 MiB. */
    private static KvCache large(MemoryBudget budget) {
        return new KvCache((int) ((16 << 20) / BLOCK), 2, 4, CONTEXT, DType.F32,
                new BlockPool(BlockMemory.HOST, PrefixSharing.KEPT, CacheLimit.AUTOMATIC, budget));
    }
}
