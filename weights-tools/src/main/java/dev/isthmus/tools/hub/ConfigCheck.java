package dev.isthmus.tools.hub;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.isthmus.engine.files.TextFile;
import dev.isthmus.tools.io.CommandException;
import dev.isthmus.tools.io.Json;
import java.io.IOException;
import java.nio.file.Path;

/** Looks whether a model is a GPT-2 before gigabytes of it are fetched. */
final class ConfigCheck {

    private ConfigCheck() {}

    /** Refuses a config.json that says it is another architecture's. What else it says is for the engine to judge. */
    static void requireGpt2(Path config, HubName name) {
        String type = modelType(config, name);
        if (!type.equals("gpt2")) {
            throw new CommandException(name + ": expected a model of type gpt2, found '" + type + "' in its"
                    + " config.json; isthmus runs the GPT-2 family only");
        }
    }

    private static String modelType(Path config, HubName name) {
        try (JsonParser parser = Json.FACTORY.createParser(TextFile.read(config))) {
            if (parser.nextToken() == JsonToken.START_OBJECT) {
                String type = "gpt2";
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    boolean isType = parser.currentName().equals("model_type");
                    parser.nextToken();
                    if (isType) {
                        type = parser.getValueAsString("");
                    }
                    parser.skipChildren();
                }
                return type;
            }
        } catch (IOException e) {
            throw new CommandException(name + ": its config.json is not JSON (" + e.getMessage() + ")", e);
        }
        throw new CommandException(name + ": its config.json is not a JSON object");
    }
}
