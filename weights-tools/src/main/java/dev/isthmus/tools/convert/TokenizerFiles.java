package dev.isthmus.tools.convert;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.isthmus.engine.tokenizer.Tokenizer;
import dev.isthmus.tools.io.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes a tokenizer as transformers' slow GPT-2 tokenizer has it. */
final class TokenizerFiles {

    private TokenizerFiles() {}

    /** Writes vocab.json, merges.txt, and tokenizer_config.json with the added tokens. */
    static void write(Path directory, Tokenizer tokenizer) throws IOException {
        try (JsonGenerator json = generator(directory.resolve("vocab.json"))) {
            json.writeStartObject();
            for (int id = 0; id < tokenizer.vocabularySize(); id++) {
                if (tokenizer.hasToken(id)) {
                    json.writeNumberField(tokenizer.token(id), id);
                }
            }
            json.writeEndObject();
        }
        Files.writeString(directory.resolve("merges.txt"),
                "#version: 0.2\n" + String.join("\n", tokenizer.merges()) + "\n");
        try (JsonGenerator json = generator(directory.resolve("tokenizer_config.json"))) {
            json.writeStartObject();
            json.writeStringField("tokenizer_class", "GPT2Tokenizer");
            writeSurrounding(json, tokenizer);
            json.writeObjectFieldStart("added_tokens_decoder");
            for (int id = 0; id < tokenizer.vocabularySize(); id++) {
                if (tokenizer.hasToken(id) && tokenizer.isAdded(id)) {
                    writeAdded(json, tokenizer, id);
                }
            }
            json.writeEndObject();
            json.writeEndObject();
        }
    }

    /** Of what a GGUF file puts around a text: a token before it, one after it, or both. */
    private static void writeSurrounding(JsonGenerator json, Tokenizer tokenizer) throws IOException {
        int[] surrounding = tokenizer.encodeWithSpecialTokens("");
        boolean begins = surrounding.length == 2 || surrounding.length == 1
                && tokenizer.encodeWithSpecialTokens("a")[0] == surrounding[0];
        if (begins) {
            json.writeBooleanField("add_bos_token", true);
            json.writeStringField("bos_token", tokenizer.token(surrounding[0]));
        }
        if (surrounding.length > (begins ? 1 : 0)) {
            json.writeBooleanField("add_eos_token", true);
            json.writeStringField("eos_token", tokenizer.token(surrounding[surrounding.length - 1]));
        }
    }

    private static void writeAdded(JsonGenerator json, Tokenizer tokenizer, int id) throws IOException {
        json.writeObjectFieldStart(Integer.toString(id));
        json.writeStringField("content", tokenizer.token(id));
        for (String option : new String[] {"lstrip", "normalized", "rstrip", "single_word"}) {
            json.writeBooleanField(option, false);
        }
        json.writeBooleanField("special", tokenizer.specialToken(tokenizer.token(id)).isPresent());
        json.writeEndObject();
    }

    private static JsonGenerator generator(Path file) throws IOException {
        return Json.FACTORY.createGenerator(Files.newBufferedWriter(file))
                .enable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
    }
}
