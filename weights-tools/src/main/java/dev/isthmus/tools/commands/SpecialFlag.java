package dev.isthmus.tools.commands;

import dev.isthmus.engine.tokenizer.Tokenizer;
import picocli.CommandLine.Option;

/** Whether special tokens in a text stand for themselves. */
final class SpecialFlag {

    @Option(names = "--special",
            description = "Let special tokens such as <|endoftext|> in the text stand for themselves, and add those that"
                    + " the tokenizer puts around a text. Default: they are ordinary text.")
    private boolean special;

    /** The ids of a text. */
    int[] encode(Tokenizer tokenizer, String text) {
        return special ? tokenizer.encodeWithSpecialTokens(text) : tokenizer.encode(text);
    }
}
