package dev.isthmus.tools.parity;

import dev.isthmus.engine.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.NoSuchElementException;
import java.util.function.BiConsumer;

/** Checks of the tokenizer, exactly. */
final class TokenizerChecks {

    private TokenizerChecks() {}

    /** A text has these ids, and they decode to it. */
    static Check encoding(PublishedEntry entry) {
        int[] ids = entry.expected().integers();
        String text = entry.inputText();
        boolean special = switch (entry.json().get("special_token_mode").text()) {
            case "ordinary" -> false;
            case "special" -> true;
            case String other -> throw new NoSuchElementException(entry.id() + ": unknown mode " + other);
        };
        return run((tokenizer, comparison) -> {
            comparison.equal("ids", ids, special ? tokenizer.encodeWithSpecialTokens(text) : tokenizer.encode(text));
            comparison.equal("decoded text", text, tokenizer.decode(ids));
        });
    }

    /**
     * A text falls into pieces of so many UTF-8 bytes before tokens are merged. No token crosses the end of a piece,
     * so each end must be the end of a token; a piece that is cut once more than it should be would show in the ids
     * that other entries check.
     */
    static Check pieces(PublishedEntry entry) {
        int[] lengths = entry.expected().get("chunk_utf8_byte_lengths").integers();
        String text = entry.inputText();
        return run((tokenizer, comparison) -> {
            BitSet ends = new BitSet();
            int bytes = 0;
            for (int id : tokenizer.encode(text)) {
                // The vocabulary writes one character for each byte.
                bytes += tokenizer.token(id).length();
                ends.set(bytes);
            }
            int end = 0;
            for (int length : lengths) {
                end += length;
                comparison.equal("a token ends at byte " + end, true, ends.get(end));
            }
            comparison.equal("bytes", Arrays.stream(lengths).sum(), bytes);
        });
    }

    private static Check run(BiConsumer<Tokenizer, Comparison> work) {
        return subject -> {
            if (subject.model().tokenizer().isEmpty()) {
                return Outcome.notApplicable("the model has no tokenizer files");
            }
            Comparison comparison = new Comparison();
            work.accept(subject.model().tokenizer().get(), comparison);
            return comparison.outcome();
        };
    }
}
