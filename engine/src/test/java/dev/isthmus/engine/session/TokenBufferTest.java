package dev.isthmus.engine.session;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TokenBufferTest {

    private static TokenBuffer buffer(int... ids) {
        TokenBuffer buffer = new TokenBuffer();
        buffer.addAll(ids);
        return buffer;
    }

    private static int[] ids(TokenBuffer buffer) {
        return buffer.view().ids();
    }

    @Test
    void tokensAreAddedAtTheEnd() {
        TokenBuffer buffer = TokenBuffer.of(new int[] {7});
        IntStream.range(0, 100).forEach(buffer::add);
        buffer.addAll(IntStream.range(100, 200).toArray());
        assertEquals(201, buffer.length());
        assertArrayEquals(IntStream.concat(IntStream.of(7), IntStream.range(0, 200)).toArray(), ids(buffer));
    }

    @Test
    void forksGoOnApart() {
        TokenBuffer first = buffer(1, 2, 3);
        TokenBuffer second = first.fork();
        first.add(4);
        second.add(5);
        second.add(6);
        assertArrayEquals(new int[] {1, 2, 3, 4}, ids(first));
        assertArrayEquals(new int[] {1, 2, 3, 5, 6}, ids(second));
    }

    @Test
    void viewsSurviveTruncation() {
        TokenBuffer buffer = buffer(1, 2, 3, 4);
        TokenBuffer.View before = buffer.view();
        buffer.truncate(1);
        buffer.addAll(new int[] {8, 9});
        assertArrayEquals(new int[] {1, 2, 3, 4}, before.ids());
        assertArrayEquals(new int[] {1, 8, 9}, ids(buffer));
    }

    @Test
    void droppingLeavesTheBufferAsItWas() {
        TokenBuffer buffer = buffer(1, 2, 3, 4, 5);
        TokenBuffer rest = buffer.without(1, 2);
        rest.add(6);
        assertArrayEquals(new int[] {1, 4, 5, 6}, ids(rest));
        assertArrayEquals(new int[] {1, 2, 3, 4, 5}, ids(buffer));
        assertArrayEquals(new int[0], ids(buffer.without(0, 5)));
    }
}
