package dev.isthmus.tools.commands;

import dev.isthmus.engine.api.Model;
import dev.isthmus.tools.io.Console;
import picocli.CommandLine.Option;

/** A text to be read by a model, given in one of two ways. */
class TextOrIds {

    @Option(names = "--text", paramLabel = "TEXT", description = "The text; - reads standard input.")
    private String text;

    @Option(names = "--ids", paramLabel = "1,2,3", converter = IdList.Converter.class,
            description = "The text as token ids.")
    private IdList ids;

    /** The ids of the text. */
    final int[] ids(Console console, Model model, SpecialFlag special) {
        return ids != null ? ids.ids()
                : special.encode(Texts.tokenizer(model, "give the text as --ids"), text(console));
    }

    /** The text itself. */
    String text(Console console) {
        return Texts.ofArgument(console, text);
    }

    /** The same, or from a file. */
    static final class OrFile extends TextOrIds {

        @Option(names = {"-f", "--file"}, paramLabel = "FILE", description = "Read the text from a file (UTF-8).")
        private String file;

        @Override
        String text(Console console) {
            return file == null ? super.text(console) : Texts.ofFile(console, file);
        }
    }
}
