package dev.isthmus.engine.tokenizer;

import java.util.List;
import java.util.stream.IntStream;

/**
 * What surrounds a text's ids: templates of special tokens and the text itself, the innermost first. Immutable.
 *
 * @param templates each lists ids of special tokens and {@link #TEXT}
 */
record PostProcessor(List<int[]> templates) {

    /** The place of the text in a template. */
    static final int TEXT = -1;

    /** Leaves ids as they are. */
    static final PostProcessor NONE = new PostProcessor(List.of());

    PostProcessor {
        templates = List.copyOf(templates);
    }

    /** The processor of one template that surrounds the text. */
    static PostProcessor around(int[] before, int[] after) {
        return new PostProcessor(List.of(IntStream.concat(IntStream.concat(IntStream.of(before), IntStream.of(TEXT)),
                IntStream.of(after)).toArray()));
    }

    /**
     * Puts ids into the templates.
     *
     * @param ids the text's
     * @param withSpecial whether the templates' special tokens are added
     */
    int[] apply(int[] ids, boolean withSpecial) {
        int[] result = ids;
        for (int[] template : templates) {
            int[] text = result;
            result = IntStream.of(template)
                    .flatMap(id -> id == TEXT ? IntStream.of(text) : withSpecial ? IntStream.of(id) : IntStream.empty())
                    .toArray();
        }
        return result;
    }
}
