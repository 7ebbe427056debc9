import { BlockList } from 'node:net';
import type { networkInterfaces } from 'node:os';
import { CommandError } from '../errors.ts';

/** This machine's own address in the network that a seat's address is of; it may be any of that network. */
export function hostBeside(seat: string, interfaces: ReturnType<typeof networkInterfaces>): string {
  const prefixOf = ({ cidr }: { cidr: string | null }) => Number(cidr?.split('/')[1] ?? 0);
  const beside = Object.values(interfaces)
    .flatMap((each) => each ?? [])
    .filter((own) => {
      if (own.family !== 'IPv4' || own.cidr === null) return false;
      const network = new BlockList();
      network.addSubnet(own.address, prefixOf(own));
      return network.check(seat);
    })
    .sort((one, other) => prefixOf(other) - prefixOf(one));
  const [own] = beside;
  if (own !== undefined) return own.address;
  throw new CommandError(`This machine has no address in the network of the seat at ${seat}.`);
}
