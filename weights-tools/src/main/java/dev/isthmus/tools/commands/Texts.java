package dev.isthmus.tools.commands;

import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.tokenizer.Tokenizer;
import dev.isthmus.tools.io.CommandException;
import dev.isthmus.tools.io.Console;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads texts: from an argument, a file, or standard input where the argument or the file is {@code -}. */
final class Texts {

    private static final String STANDARD_INPUT = "-";

    private Texts() {}

    /**
     * The tokenizer of a model.
     *
     * @param instead what takes ids in place of the text
     * @throws CommandException if it has none that is supported
     */
    static Tokenizer tokenizer(Model model, String instead) {
        return model.tokenizer().orElseThrow(() -> new CommandException("the model takes no text: "
                + model.tokenizerFault().orElseThrow() + "; " + instead));
    }

    /** The argument itself, or standard input. */
    static String ofArgument(Console console, String argument) {
        return argument.equals(STANDARD_INPUT) ? decode(readAll(console.in()), "standard input") : argument;
    }

    /** What a file holds, or standard input. */
    static String ofFile(Console console, String file) {
        if (file.equals(STANDARD_INPUT)) {
            return decode(readAll(console.in()), "standard input");
        }
        Path path = Path.of(file);
        if (Files.isDirectory(path)) {
            throw new CommandException(path + ": expected a text file, found a directory");
        }
        try {
            return decode(Files.readAllBytes(path), path.toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The text less one line end at its end, which editors and echo add and no prompt means. */
    static String withoutFinalNewline(String text) {
        if (text.endsWith("\r\n")) {
            return text.substring(0, text.length() - 2);
        }
        return text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
    }

    private static byte[] readAll(InputStream standardInput) {
        try {
            return standardInput.readAllBytes();
        } catch (IOException e) {
            throw new CommandException("- asks for a text from standard input, which cannot be read: " + e.getMessage()
                    + "; give it something to read, or the text as an argument or a file", e);
        }
    }

    private static String decode(byte[] bytes, String source) {
        CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        try {
            return decoder.decode(buffer).toString();
        } catch (CharacterCodingException e) {
            throw new CommandException(source + ": expected text in UTF-8, found another byte sequence at byte "
                    + buffer.position() + "; convert it first, for instance with iconv -t UTF-8", e);
        }
    }
}
