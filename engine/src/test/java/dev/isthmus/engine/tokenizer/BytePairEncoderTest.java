package dev.isthmus.engine.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.InvalidInputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class BytePairEncoderTest {

    /** The definition, word for word: merge the leftmost pair of the lowest rank until no pair has one. */
    private static List<String> merged(String word, List<String> merges) {
        List<String> symbols = new ArrayList<>(word.chars().mapToObj(Character::toString).toList());
        Map<String, Integer> ranks = new HashMap<>();
        for (String merge : merges) {
            ranks.put(merge, ranks.size());
        }
        while (true) {
            int best = -1;
            int bestRank = Integer.MAX_VALUE;
            for (int i = 0; i + 1 < symbols.size(); i++) {
                int rank = ranks.getOrDefault(symbols.get(i) + " " + symbols.get(i + 1), Integer.MAX_VALUE);
                if (rank < bestRank) {
                    bestRank = rank;
                    best = i;
                }
            }
            if (best < 0) {
                return symbols;
            }
            symbols.set(best, symbols.get(best) + symbols.remove(best + 1));
        }
    }

    private static BytePairModel model(Vocabulary vocabulary, List<String> merges, int unknown, boolean fuses) {
        MergeReader reader = new MergeReader(Path.of("merges"), vocabulary);
        for (String merge : merges) {
            reader.add(merge.substring(0, merge.indexOf(' ')), merge.substring(merge.indexOf(' ') + 1));
        }
        return new BytePairModel(vocabulary, reader.table(), unknown, fuses);
    }

    private static int[] encode(BytePairModel model, String text) {
        BytePairEncoder encoder = new BytePairEncoder(model);
        encoder.append(text, 0, text.length());
        return encoder.ids();
    }

    @Test
    void randomMergesApplyAsDefined() {
        Random random = new Random(5);
        for (int round = 0; round < 2_000; round++) {
            Vocabulary vocabulary = new Vocabulary(0);
            List<String> tokens = new ArrayList<>(List.of("a", "b", "c"));
            List<String> merges = new ArrayList<>();
            for (int i = random.nextInt(40); i > 0; i--) {
                String left = tokens.get(random.nextInt(tokens.size()));
                String right = tokens.get(random.nextInt(tokens.size()));
                if (!merges.contains(left + " " + right)) {
                    merges.add(left + " " + right);
                    // Several merges may make the same token.
                    if (!tokens.contains(left + right)) {
                        tokens.add(left + right);
                    }
                }
            }
            tokens.forEach(token -> assertEquals(Vocabulary.Added.NEW, vocabulary.add(token, tokens.indexOf(token))));
            BytePairModel model = model(vocabulary, merges, -1, false);
            StringBuilder word = new StringBuilder();
            for (int i = random.nextInt(60); i >= 0; i--) {
                word.append((char) ('a' + random.nextInt(random.nextInt(3) + 1)));
            }
            int[] expected = merged(word.toString(), merges).stream().mapToInt(tokens::indexOf).toArray();
            assertArrayEquals(expected, encode(model, word.toString()), () -> word + " by " + merges);
        }
    }

    @Test
    void aMergeListedTwiceHasTheLaterRank() {
        Vocabulary vocabulary = new Vocabulary(0);
        List<String> tokens = List.of("a", "b", "c", "ab", "bc");
        tokens.forEach(token -> vocabulary.add(token, tokens.indexOf(token)));
        assertArrayEquals(new int[] {3, 2}, encode(model(vocabulary, List.of("a b", "b c"), -1, false), "abc"));
        assertArrayEquals(new int[] {0, 4}, encode(model(vocabulary, List.of("a b", "b c", "a b"), -1, false), "abc"));
    }

    @Test
    void aByteWithoutATokenIsRefusedByName() {
        Vocabulary vocabulary = new Vocabulary(0);
        vocabulary.add("a", 0);
        BytePairModel model = model(vocabulary, List.of(), -1, false);
        String message = assertThrows(InvalidInputException.class, () -> encode(model, "aaé")).getMessage();
        assertTrue(message.contains("byte 0xC3 of character U+00E9 at index 2"), message);
    }

    @Test
    void bytesWithoutATokenBecomeTheUnknownTokenWhereThereIsOne() {
        Vocabulary vocabulary = new Vocabulary(0);
        vocabulary.add("a", 0);
        vocabulary.add("<unk>", 7);
        assertArrayEquals(new int[] {0, 7, 7, 0, 7}, encode(model(vocabulary, List.of(), 7, false), "abbac"));
        assertArrayEquals(new int[] {0, 7, 0, 7}, encode(model(vocabulary, List.of(), 7, true), "abbac"));
    }
}
