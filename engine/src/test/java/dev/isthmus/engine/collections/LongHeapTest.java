package dev.isthmus.engine.collections;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.PriorityQueue;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class LongHeapTest {

    private static long[] takeAll(LongHeap heap) {
        return LongStream.generate(heap::takeLeast).limit(heap.size()).toArray();
    }

    @Test
    void keysComeInOrderWhateverTheCapacity() {
        long[] keys = {5, -3, 5, Long.MAX_VALUE, 0, Long.MIN_VALUE, 2};
        LongHeap heap = new LongHeap(1);
        Arrays.stream(keys).forEach(heap::add);
        Arrays.sort(keys);
        assertArrayEquals(keys, takeAll(heap));
    }

    @Test
    void anArrayBecomesAHeapOfItsFirstKeys() {
        assertArrayEquals(new long[] {1, 3, 9}, takeAll(new LongHeap(new long[] {9, 1, 3, 0}, 3)));
    }

    @Test
    void mixedOperationsAgreeWithPriorityQueue() {
        Random random = new Random(1);
        LongHeap heap = new LongHeap(2);
        PriorityQueue<Long> expected = new PriorityQueue<>();
        for (int i = 0; i < 2_000; i++) {
            long key = random.nextInt(50);
            int operation = expected.isEmpty() ? 0 : random.nextInt(3);
            if (operation == 1) {
                assertEquals(expected.poll(), heap.takeLeast());
            } else {
                if (operation == 2) {
                    expected.poll();
                    heap.replaceLeast(key);
                } else {
                    heap.add(key);
                }
                expected.add(key);
            }
            assertEquals(expected.size(), heap.size());
        }
    }

    @Test
    void aClearedHeapTakesNewKeys() {
        LongHeap heap = new LongHeap(new long[] {4, 2}, 2);
        heap.clear();
        heap.add(7);
        assertArrayEquals(new long[] {7}, takeAll(heap));
    }
}
