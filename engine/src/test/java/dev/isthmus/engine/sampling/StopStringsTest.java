package dev.isthmus.engine.sampling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.InvalidInputException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;

class StopStringsTest {

    @Test
    void textEndsBeforeAStopString() {
        StopStrings stop = new StopStrings(List.of("END"));
        assertEquals("some text ", stop.accept("some text END and more"));
        assertTrue(stop.stopped());
        assertEquals("", stop.accept("and more"));
        assertEquals("", stop.flush());
    }

    @Test
    void aStopStringIsFoundAcrossPiecesAndItsBeginningHeldBack() {
        StopStrings stop = new StopStrings(List.of("\nUser:"));
        assertEquals("hello", stop.accept("hello\n"));
        assertEquals("", stop.accept("Use"));
        assertEquals("", stop.accept(""));
        assertFalse(stop.stopped());
        assertEquals("", stop.accept("r: x"));
        assertTrue(stop.stopped());
    }

    @Test
    void whatWasHeldBackComesWhenItDoesNotGoOn() {
        StopStrings stop = new StopStrings(List.of("aab"));
        assertEquals("x", stop.accept("xaa"));
        assertEquals("a", stop.accept("a"));
        assertEquals("aac", stop.accept("c"));
        assertEquals("", stop.accept("a"));
        assertEquals("a", stop.flush());
        assertEquals("", stop.flush());
        assertEquals("ab", stop.accept("ab"));
        assertFalse(stop.stopped());
    }

    @Test
    void theMatchThatIsCompleteFirstCountsAndTheLongestOfThese() {
        StopStrings first = new StopStrings(List.of("bcd", "c"));
        assertEquals("ab", first.accept("abcd"));
        StopStrings longest = new StopStrings(List.of("c", "bc"));
        assertEquals("a", longest.accept("abcd"));
    }

    @Test
    void withoutStopStringsAllTextPassesAtOnce() {
        StopStrings none = new StopStrings(List.of());
        assertEquals("anything", none.accept("anything"));
        assertEquals("", none.flush());
        assertFalse(none.stopped());
    }

    @Test
    void anEmptyStopStringIsRefused() {
        assertThrows(InvalidInputException.class, () -> new StopStrings(List.of("a", "")));
    }

    /** The definition: the shortest beginning of the text that ends with a stop string, less the longest of those. */
    private static String upToStop(String text, List<String> strings) {
        for (int end = 1; end <= text.length(); end++) {
            String beginning = text.substring(0, end);
            int longest = strings.stream().filter(beginning::endsWith).mapToInt(String::length).max().orElse(0);
            if (longest > 0) {
                return beginning.substring(0, end - longest);
            }
        }
        return text;
    }

    @Test
    void theResultDoesNotDependOnThePiecesAndAsMuchAsPossibleIsShown() {
        Random random = new Random(9);
        for (int round = 0; round < 20_000; round++) {
            List<String> strings = new ArrayList<>();
            for (int i = random.nextInt(3); i >= 0; i--) {
                strings.add(letters(random, 1 + random.nextInt(5)));
            }
            String text = letters(random, random.nextInt(30));
            StopStrings stop = new StopStrings(strings);
            StringBuilder shown = new StringBuilder();
            int at = 0;
            while (at < text.length()) {
                int end = Math.min(text.length(), at + random.nextInt(4));
                shown.append(stop.accept(text.substring(at, end)));
                at = end;
                String held = text.substring(Math.min(shown.length(), at), at);
                assertTrue(stop.stopped() || held.isEmpty() || strings.stream().anyMatch(each -> each.startsWith(held)),
                        () -> "held back " + held + " for " + strings);
            }
            shown.append(stop.flush());
            String expected = upToStop(text, strings);
            assertEquals(expected, shown.toString(), () -> text + " with " + strings);
            assertEquals(strings.stream().anyMatch(text::contains), stop.stopped());
        }
    }

    private static String letters(Random random, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.append((char) ('a' + random.nextInt(2)));
        }
        return text.toString();
    }

    @Test
    @Timeout(value = 10, unit = TimeUnit.SECONDS, threadMode = ThreadMode.SEPARATE_THREAD)
    void aLongStopStringThatNearlyMatchesTakesLinearTime() {
        String almost = "a".repeat(500_000);
        StopStrings stop = new StopStrings(List.of(almost + "b"));
        assertEquals("", stop.accept(almost));
        int shown = 0;
        for (int i = 0; i < 500_000; i++) {
            shown += stop.accept("a").length();
        }
        assertEquals(500_000, shown);
        assertEquals(almost, stop.flush());
    }
}
