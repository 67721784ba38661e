"""The program that streamgauge began as: one answer through g4f, on the sync path, then on the async path."""

import asyncio

from g4f.client import AsyncClient, Client

QUESTION = [{"role": "user", "content": "How can I recursively list all files in a directory in Python?"}]


def main():
    """Print the chunks of a synchronous stream."""
    print("Synchronous Stream:")
    try:
        for chunk in Client().chat.completions.create(model="gpt-4", messages=QUESTION, stream=True):
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    except Exception as error:
        print(f"\nAn error occurred: {error}")


async def async_main():
    """Print the chunks of an asynchronous stream."""
    print("\n\nAsynchronous Stream:")
    try:
        async for chunk in AsyncClient().chat.completions.create(model="gpt-4", messages=QUESTION, stream=True):
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    except Exception as error:
        print(f"\nAn error occurred: {error}")
    print()


main()
asyncio.run(async_main())
