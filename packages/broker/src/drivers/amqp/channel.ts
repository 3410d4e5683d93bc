import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { unavailable } from './errors.ts';

/** A channel whose errors reject the calls on it. BROKER_UNAVAILABLE */
export async function openChannel(model: ChannelModel): Promise<Channel> {
  try {
    const channel = await model.createChannel();
    channel.on('error', () => {});
    return channel;
  } catch (cause) {
    throw unavailable('no channel to the broker', cause);
  }
}

/** amqplib's own promise never settles if the socket ends before the server answers. */
export const closeConnectionOrChannel = (open: ChannelModel | Channel): Promise<void> =>
  new Promise((resolve) => {
    open.once('close', () => resolve());
    // Rejected if it is closed already.
    open.close().catch(() => resolve());
  });

/** All that amqplib reads of a message that is settled. */
export const withTag = (deliveryTag: number): ConsumeMessage => ({ fields: { deliveryTag } }) as ConsumeMessage;

/** Requests on one channel, one by one: a refused request closes its channel with all on it. */
export class ControlChannel {
  readonly #connection: { readonly model: ChannelModel };
  #model: ChannelModel | undefined;
  #channel: Channel | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(connection: { readonly model: ChannelModel }) {
    this.#connection = connection;
  }

  /** BROKER_UNAVAILABLE, BROKER_CLOSED; else the error of the broker, see `queueError`. */
  request<T>(run: (channel: Channel) => Promise<T>): Promise<T> {
    const answer = this.#last.then(async () => run(await this.#open()));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #open(): Promise<Channel> {
    const model = this.#connection.model;
    if (this.#channel && this.#model === model) return this.#channel;
    const channel = await openChannel(model);
    channel.once('close', () => {
      if (this.#channel === channel) this.#channel = undefined;
    });
    this.#channel = channel;
    this.#model = model;
    return channel;
  }
}
