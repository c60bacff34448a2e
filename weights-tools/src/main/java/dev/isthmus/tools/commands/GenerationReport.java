package dev.isthmus.tools.commands;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.isthmus.engine.api.GenerationDefaults;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.tools.io.Json;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Where a model's texts end and how they are continued where no flag says it, with the files that say so.
 *
 * @param endOfText the ids that end a text
 * @param endOfTextSource the name of the file that they are from
 * @param defaults what generation_config.json asks for, by transformers' names and in JSON
 * @param notFollowed what it asks for in vain
 * @param fault why the defaults cannot be used, or null
 */
record GenerationReport(List<Integer> endOfText, String endOfTextSource, Map<String, String> defaults,
        List<String> notFollowed, String fault) {

    /** The report on a model directory or a GGUF file whose configuration is in order. */
    static GenerationReport of(Path model) {
        Gpt2Config config = Gpt2Config.read(model);
        GenerationDefaults defaults = GenerationDefaults.read(model, config);
        Path source = GgufHeader.isGguf(model) ? model
                : defaults.source().orElseGet(() -> model.resolve("config.json"));
        Map<String, String> stated = defaults.stated().stream().collect(Collectors.toMap(Map.Entry::getKey,
                Map.Entry::getValue, (one, other) -> one, LinkedHashMap::new));
        String name = source.getFileName().toString();
        try {
            defaults.options(1, 1);
            return new GenerationReport(config.endOfText(), name, stated, defaults.notFollowed(), null);
        } catch (UnsupportedModelException e) {
            return new GenerationReport(config.endOfText(), name, stated, List.of(), e.getMessage());
        }
    }

    void print(PrintWriter out) {
        out.println("end of text: " + (endOfText.isEmpty() ? "none" : endOfText.stream().map(String::valueOf)
                .collect(Collectors.joining(", "))) + " (" + endOfTextSource + ")");
        if (!defaults.isEmpty()) {
            out.println("generation defaults: " + defaults.entrySet().stream()
                    .map(each -> each.getKey() + " " + each.getValue()).collect(Collectors.joining(", ")) + " ("
                    + endOfTextSource + ")");
        }
        if (!notFollowed.isEmpty()) {
            out.println("not followed: " + String.join(", ", notFollowed) + " (" + endOfTextSource + ")");
        }
        if (fault != null) {
            out.println("isthmus generate does not continue texts with these defaults: " + fault);
        }
    }

    /** Writes the field generation. */
    static void write(JsonGenerator json, Optional<GenerationReport> report) throws IOException {
        if (report.isEmpty()) {
            json.writeNullField("generation");
            return;
        }
        GenerationReport found = report.get();
        json.writeObjectFieldStart("generation");
        Json.numbers(json, "end_of_text", found.endOfText.stream().mapToInt(Integer::intValue).toArray());
        json.writeStringField("end_of_text_source", found.endOfTextSource);
        json.writeObjectFieldStart("defaults");
        for (Map.Entry<String, String> each : found.defaults.entrySet()) {
            json.writeFieldName(each.getKey());
            json.writeRawValue(each.getValue());
        }
        json.writeEndObject();
        Json.texts(json, "not_followed", found.notFollowed);
        json.writeEndObject();
    }
}
